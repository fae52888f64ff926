//! Programs under test.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses a part of it")]

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// The time after which a test gives up: longer than anything here takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(180);

/// An example of this package.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built; run the tests with `--examples` or with scripts/test.sh", path.display());
    path
}

/// A program in a folder, with nothing in its environment but the path.
pub fn command(program: impl AsRef<Path>, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(args).current_dir(folder).env_clear().env("HOME", folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// `bb`, in a folder.
pub fn bb(folder: &Path, args: &[&str]) -> Command {
    command(env!("CARGO_BIN_EXE_bb"), folder, args)
}

/// The standard output of a program that succeeds.
pub fn out(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The standard error of a program that ends with this code.
pub fn fails(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {}", said(&output));
    String::from_utf8(output.stderr).unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A program at work; killed with the test.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it; both of its outputs are read.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The next line that contains a text.
    pub fn line(&self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push_str(&format!("{line}\n")),
                Err(_) => panic!("no line with {part:?}, only:\n{seen}"),
            }
        }
    }

    /// The next lines that contain these texts, in any order: each of the two outputs has a pipe of its own.
    pub fn both(&self, parts: [&str; 2]) -> [String; 2] {
        let mut found = [None, None];
        loop {
            let line =
                self.lines.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("not both of {parts:?}, but {found:?}"));
            for (part, place) in parts.iter().zip(&mut found) {
                if place.is_none() && line.contains(part) {
                    *place = Some(line.clone());
                }
            }
            if let [Some(one), Some(other)] = &found {
                return [one.clone(), other.clone()];
            }
        }
    }

    /// What else it says, up to its end.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.recv_timeout(TIMEOUT).ok()).collect()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
