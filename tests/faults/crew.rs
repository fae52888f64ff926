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

use super::{child::ROLE, ledger::Ledger};

/// A process that is started again whenever it ends.
pub(crate) struct Member {
    running: Arc<Mutex<Option<Child>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub(crate) fn start(role: &'static str, settings: Vec<(&'static str, String)>, ledger: Arc<Ledger>) -> Self {
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
                            ledger.note(said);
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

    /// SIGTERM: it ends in an orderly way.
    pub(crate) fn terminate(&self) {
        self.with(|child| {
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
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

impl Drop for Member {
    fn drop(&mut self) {
        self.let_end();
        self.kill();
    }
}

fn spawn(role: &str, settings: &[(&'static str, String)]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "child::as_a_process_of_its_own", "--nocapture"])
        .env(ROLE, role)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
