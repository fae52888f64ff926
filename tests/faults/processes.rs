//! A process that is started again whenever it ends.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use bloodbank_harness::Random;

use super::child::ROLE;

/// What a child may take of memory, in KiB of addresses. And writing more than it may to a file is an error of the call, not
/// a signal: a disk that is full.
const LIMITS: &str = "ulimit -S -v 6000000 && ulimit -c 0 && trap '' XFSZ && exec \"$0\" \"$@\"";

/// A process that is started again whenever it ends.
pub(crate) struct ChildProcess {
    running: Arc<Mutex<Option<Child>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ChildProcess {
    /// Starts it in this role; `hear` is told each line that it says.
    pub(crate) fn start(
        role: &'static str,
        settings: Vec<(&'static str, String)>,
        hear: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let (running, stopping) = (Arc::<Mutex<Option<Child>>>::default(), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (running, stopping) = (Arc::clone(&running), Arc::clone(&stopping));
            move || {
                while !stopping.load(Ordering::SeqCst) {
                    let mut child = spawn(role, &settings);
                    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
                    *running.lock().unwrap() = Some(child);
                    for line in lines.map_while(Result::ok) {
                        if let Some((_, said)) = line.split_once("> ") {
                            hear(said);
                        }
                    }
                    let ended = running.lock().unwrap_or_else(PoisonError::into_inner).take();
                    ended.unwrap().wait().unwrap();
                    // One that cannot begin shall not begin all the time.
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Self { running, stopping, thread: Some(thread) }
    }

    fn with(&self, order: impl FnOnce(&mut Child)) {
        if let Some(child) = &mut *self.running.lock().unwrap_or_else(PoisonError::into_inner) {
            order(child);
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.with(|child| child.kill().unwrap());
    }

    fn signal(&self, signal: &str) {
        // One that has ended, and is still to be waited for, takes it and does nothing.
        self.with(|child| run(Command::new("kill").args([signal, &child.id().to_string()])));
    }

    /// SIGTERM: it ends in an orderly way.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// No file of it may grow beyond so many bytes; a process that is started later knows no limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        self.with(|child| {
            // The soft limit alone: the hard one could not be raised again. One that has ended has no limits.
            let limit = format!("--fsize={bytes}:");
            let _ =
                Command::new("prlimit").args(["--pid", &child.id().to_string(), &limit]).stderr(Stdio::null()).status();
        });
    }

    pub(crate) fn order(&self, order: &str) {
        self.with(|child| {
            // One that has just died hears nothing.
            let _ = writeln!(child.stdin.as_mut().unwrap(), "{order}");
        });
    }

    /// Starts it no more once it has ended.
    pub(crate) fn let_end(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.let_end();
        self.kill();
    }
}

/// Kills one of them again and again, sooner or later after it has begun again.
pub(crate) fn kill_again_and_again(processes: &[ChildProcess], random: &mut Random) {
    for _ in 0..6 {
        random.choose(processes).kill();
        random.pause(600);
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn spawn(role: &str, settings: &[(&'static str, String)]) -> Child {
    Command::new("sh")
        .args(["-c", LIMITS])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "child::as_a_process_of_its_own", "--nocapture"])
        .env(ROLE, role)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
