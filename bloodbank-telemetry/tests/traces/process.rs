//! This program again, as a service.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::child::ROLE;

/// A service with these variables, beside those that switch its log on.
pub(crate) struct Service {
    child: Child,
    out: BufReader<ChildStdout>,
}

/// The end of a service.
pub(crate) struct Ended {
    /// What it wrote to standard output after what was read before.
    pub(crate) out: String,
    /// Its log lines.
    pub(crate) log: String,
}

impl Service {
    pub(crate) fn start(role: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["child::works", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env("BLOODBANK_LOG_FORMAT", "json")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Waits until it says this.
    pub(crate) fn says(&mut self, expected: &str) {
        let mut line = String::new();
        while !line.contains(expected) {
            line.clear();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended without saying {expected:?}");
        }
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn ended(self) -> Ended {
        let Self { child, out } = self;
        let out = out.lines().map(Result::unwrap).collect::<Vec<_>>().join("\n");
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{out}\n{log}");
        Ended { out, log }
    }
}
