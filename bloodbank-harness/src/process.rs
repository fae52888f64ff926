use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    HarnessError,
    sandbox::{Sandbox, tail},
    until,
};

/// RabbitMQ takes 5 to 7 seconds on an idle machine, and has taken more than 90 on one whose disk and processors were busy.
const START_DEADLINE: Duration = Duration::from_secs(300);
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const FREEZE_DEADLINE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(20);

/// A server process that can be stopped and started again.
#[derive(Debug)]
pub(crate) struct Process {
    program: &'static str,
    logs: Vec<PathBuf>,
    child: Mutex<Option<Child>>,
}

impl Process {
    pub(crate) fn new(program: &'static str, logs: Vec<PathBuf>) -> Self {
        Self { program, logs, child: Mutex::new(None) }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.lock().as_ref().map(Child::id)
    }

    fn log(&self) -> String {
        let logs: Vec<String> = self.logs.iter().map(|log| tail(log)).filter(|log| !log.is_empty()).collect();
        logs.join("\n")
    }

    /// Starts `command` and waits until `ready` returns true. Kills the process if that takes too long.
    pub(crate) fn start(
        &self,
        sandbox: &Sandbox,
        mut command: Command,
        ready: impl Fn() -> bool,
    ) -> Result<(), HarnessError> {
        let mut slot = self.child.lock();
        if slot.is_some() {
            return Err(HarnessError::AlreadyRunning { program: self.program });
        }
        let mut child = command.spawn().map_err(HarnessError::io(format!("start `{}`", self.program)))?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(HarnessError::io(format!("wait for `{}`", self.program)))? {
                sandbox.forget(child.id());
                let status = status.to_string();
                return Err(HarnessError::StartupFailed { program: self.program, status, log: self.log() });
            }
            if ready() {
                *slot = Some(child);
                return Ok(());
            }
            if begun.elapsed() >= START_DEADLINE {
                let log = self.log();
                end(self.program, sandbox, &mut child)?;
                return Err(HarnessError::Timeout {
                    condition: format!("`{}` answers", self.program),
                    waited: START_DEADLINE,
                    log,
                });
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Stops the process with SIGTERM and waits for its end; kills it and fails when that takes too long.
    pub(crate) fn stop(&self, sandbox: &Sandbox) -> Result<(), HarnessError> {
        let mut slot = self.child.lock();
        let mut child = slot.take().ok_or(HarnessError::NotRunning { program: self.program })?;
        let sent = send(self.program, &child, Signal::TERM)
            // A paused process takes SIGTERM only once it goes on.
            .and_then(|()| send(self.program, &child, Signal::CONT));
        let begun = Instant::now();
        while sent.is_ok() && begun.elapsed() < STOP_DEADLINE {
            if let Ok(Some(_)) = child.try_wait() {
                sandbox.forget(child.id());
                return Ok(());
            }
            thread::sleep(INTERVAL);
        }
        let log = self.log();
        end(self.program, sandbox, &mut child)?;
        sent?;
        Err(HarnessError::Timeout { condition: format!("`{}` stops", self.program), waited: STOP_DEADLINE, log })
    }

    /// Kills the process with SIGKILL and waits for its end.
    pub(crate) fn kill(&self, sandbox: &Sandbox) -> Result<(), HarnessError> {
        let mut slot = self.child.lock();
        let mut child = slot.take().ok_or(HarnessError::NotRunning { program: self.program })?;
        end(self.program, sandbox, &mut child)
    }

    /// Freezes the process with SIGSTOP, and waits until none of its threads runs any more.
    pub(crate) fn pause(&self) -> Result<(), HarnessError> {
        let slot = self.child.lock();
        let child = slot.as_ref().ok_or(HarnessError::NotRunning { program: self.program })?;
        send(self.program, child, Signal::STOP)?;
        let pid = child.id();
        until(&format!("`{}` is frozen", self.program), FREEZE_DEADLINE, || is_frozen(pid))
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), HarnessError> {
        let slot = self.child.lock();
        let child = slot.as_ref().ok_or(HarnessError::NotRunning { program: self.program })?;
        send(self.program, child, signal)
    }

    /// Kills the process if it is running, without reporting an error.
    pub(crate) fn finish(&self, sandbox: &Sandbox) {
        if let Some(mut child) = self.child.lock().take() {
            // Nobody can be told; the sandbox kills what cannot be killed here.
            let _ = end(self.program, sandbox, &mut child);
        }
    }
}

/// Whether each thread of a process is stopped, as Linux tells it.
fn is_frozen(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        // The state follows the name, which is in brackets and may hold some itself.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['T', 'Z', 'X']))
    })
}

fn send(program: &str, child: &Child, signal: Signal) -> Result<(), HarnessError> {
    kill_process(Pid::from_child(child), signal)
        .map_err(|errno| HarnessError::Io { operation: format!("signal `{program}`"), source: errno.into() })
}

pub(crate) fn end(program: &str, sandbox: &Sandbox, child: &mut Child) -> Result<(), HarnessError> {
    child.kill().and_then(|()| child.wait()).map_err(HarnessError::io(format!("kill `{program}`")))?;
    sandbox.forget(child.id());
    Ok(())
}
