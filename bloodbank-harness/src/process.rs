use std::{
    path::PathBuf,
    process::{Child, Command},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    HarnessError,
    keeper::{Keeper, tail},
};

const START_DEADLINE: Duration = Duration::from_secs(90);
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(20);

/// One server process that can be stopped and started again.
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

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    fn log(&self) -> String {
        let logs: Vec<String> = self.logs.iter().map(|log| tail(log)).filter(|log| !log.is_empty()).collect();
        logs.join("\n")
    }

    /// Starts `command` and waits until `ready` says so. Kills it if it is not ready in time.
    pub(crate) fn start(
        &self,
        keeper: &Keeper,
        mut command: Command,
        ready: impl Fn() -> bool,
    ) -> Result<(), HarnessError> {
        let mut slot = self.child();
        if slot.is_some() {
            return Err(HarnessError::Running { program: self.program });
        }
        let mut child = command.spawn().map_err(HarnessError::io(format!("start `{}`", self.program)))?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(HarnessError::io(format!("wait for `{}`", self.program)))? {
                keeper.forget(child.id());
                return Err(HarnessError::Died { program: self.program, status: status.to_string(), log: self.log() });
            }
            if ready() {
                *slot = Some(child);
                return Ok(());
            }
            if begun.elapsed() >= START_DEADLINE {
                let log = self.log();
                end(self.program, keeper, &mut child)?;
                return Err(HarnessError::TooLate {
                    what: format!("`{}` answers", self.program),
                    waited: START_DEADLINE,
                    log,
                });
            }
            thread::sleep(INTERVAL);
        }
    }

    /// SIGTERM, then waits for the end; SIGKILL and an error when it does not come.
    pub(crate) fn stop(&self, keeper: &Keeper) -> Result<(), HarnessError> {
        let mut slot = self.child();
        let mut child = slot.take().ok_or(HarnessError::NotRunning { program: self.program })?;
        let sent = send(self.program, &child, Signal::TERM)
            // A paused process takes SIGTERM only once it goes on.
            .and_then(|()| send(self.program, &child, Signal::CONT));
        let begun = Instant::now();
        while sent.is_ok() && begun.elapsed() < STOP_DEADLINE {
            if let Ok(Some(_)) = child.try_wait() {
                keeper.forget(child.id());
                return Ok(());
            }
            thread::sleep(INTERVAL);
        }
        let log = self.log();
        end(self.program, keeper, &mut child)?;
        sent?;
        Err(HarnessError::TooLate { what: format!("`{}` stops", self.program), waited: STOP_DEADLINE, log })
    }

    /// SIGKILL, then waits for the end.
    pub(crate) fn kill(&self, keeper: &Keeper) -> Result<(), HarnessError> {
        let mut slot = self.child();
        let mut child = slot.take().ok_or(HarnessError::NotRunning { program: self.program })?;
        end(self.program, keeper, &mut child)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), HarnessError> {
        let slot = self.child();
        let child = slot.as_ref().ok_or(HarnessError::NotRunning { program: self.program })?;
        send(self.program, child, signal)
    }

    /// Ends it, if it runs, for good.
    pub(crate) fn finish(&self, keeper: &Keeper) {
        if let Some(mut child) = self.child().take() {
            // There is nobody to tell; what cannot be killed here is left to the keeper.
            let _ = end(self.program, keeper, &mut child);
        }
    }
}

fn send(program: &str, child: &Child, signal: Signal) -> Result<(), HarnessError> {
    kill_process(Pid::from_child(child), signal)
        .map_err(|errno| HarnessError::Io { doing: format!("signal `{program}`"), source: errno.into() })
}

pub(crate) fn end(program: &str, keeper: &Keeper, child: &mut Child) -> Result<(), HarnessError> {
    child.kill().and_then(|()| child.wait()).map_err(HarnessError::io(format!("kill `{program}`")))?;
    keeper.forget(child.id());
    Ok(())
}
