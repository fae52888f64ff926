//! A bus in a file, with the one process that may open it: and what is done to it.

use std::{fs, path::PathBuf, sync::Arc, thread::sleep, time::Duration};

use bloodbank_harness::{Random, unique};
use tempfile::TempDir;

use super::{
    child::SERVICE,
    ledger::Ledger,
    processes::{ChildProcess, kill_again_and_again},
    scenario::{Scenario, drained, eventually, faults},
};

faults! {
    /// What is done to it.
    FileFault {
        /// Publisher and handlers, `kill -9`.
        ProcessKilled,
        ProcessKilledAgainAndAgain,
        ProcessTerminated,
        ProcessFrozen,
        DiskFull,
        /// And nobody makes space before the process dies.
        DiskFullAndProcessKilled,
        /// An event that kills the process each time.
        PoisonThatKills,
        /// By two at once, and by a third that gives up on the way.
        DeadLettersRedriven,
    }
}

pub(crate) struct FileScenario {
    ledger: Arc<Ledger>,
    // One; the file is its own.
    processes: [ChildProcess; 1],
    file: PathBuf,
    _folder: TempDir,
}

impl FileScenario {
    fn process(&self) -> &ChildProcess {
        &self.processes[0]
    }

    /// No file may be written beyond some point, in the middle of a page too, until something is refused for it.
    fn fill_disk(&self, random: &mut Random) {
        let size = fs::metadata(&self.file).map_or(0, |file| file.len());
        let limit = random.below(size + 1);
        let refused = self.ledger.unknown() + 3;
        eventually("something is refused", || {
            // A process that has just begun again knows nothing of it.
            self.process().limit_files(Some(limit));
            self.ledger.unknown() >= refused
        });
    }
}

impl Scenario for FileScenario {
    type Fault = FileFault;

    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bus.db");
        let ledger = Arc::new(Ledger::default());
        let variables = vec![
            ("SERVICE_NAME", SERVICE.to_owned()),
            ("EXCHANGE_NAME", unique("faults")),
            ("BLOODBANK_EMBEDDED_PATH", file.display().to_string()),
        ];
        let heard = Arc::clone(&ledger);
        let process = ChildProcess::start("both", variables, move |line| heard.note(line));
        Self { ledger, processes: [process], file, _folder: folder }
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn inflict(&self, fault: FileFault, random: &mut Random) {
        match fault {
            FileFault::ProcessKilled => self.process().kill(),
            FileFault::ProcessKilledAgainAndAgain => kill_again_and_again(&self.processes, random),
            FileFault::ProcessTerminated => self.process().terminate(),
            FileFault::ProcessFrozen => {
                self.process().pause();
                random.pause(2_000);
                self.process().resume();
            }
            FileFault::DiskFull => {
                self.fill_disk(random);
                random.pause(2_000);
                self.process().limit_files(None);
            }
            FileFault::DiskFullAndProcessKilled => {
                self.fill_disk(random);
                random.pause(1_000);
                self.process().kill();
            }
            FileFault::PoisonThatKills => self.process().order("poison"),
            FileFault::DeadLettersRedriven => self.process().order("redrive"),
        }
    }

    fn end(&mut self) -> String {
        let mut left = None;
        drained(&self.ledger, || {
            // Said again: one that has died meanwhile has not heard it, or not said all.
            self.process().order("stop");
            self.process().order("look");
            sleep(Duration::from_millis(300));
            left = self.ledger.take_left();
            left.unwrap_or(1)
        });
        let [process] = &mut self.processes;
        process.let_end();
        process.terminate();
        process.join();
        match left {
            Some(0) => String::new(),
            Some(left) => format!("{left} messages"),
            None => "nobody looked".to_owned(),
        }
    }
}
