//! The `services` program: the environment of its command, and that no process survives it.
#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]

mod support;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
};

use bloodbank_harness::{HarnessError, RabbitMq, until};
use rustix::process::{Pid, Signal, kill_process};
use support::{DEADLINE, amqp_answer, descendants, is_alive, redis_answer};

fn services() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that ends with the test, even if the test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
            self.0.wait().unwrap();
        }
    }
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

fn port_in(line: &str, before: &str) -> u16 {
    let rest = line.split_once(before).unwrap_or_else(|| panic!("{before} in {line}")).1;
    rest.split('/').next().unwrap().parse().unwrap()
}

/// The private folders in which processes work.
fn folders(processes: &BTreeSet<u32>) -> BTreeSet<PathBuf> {
    processes
        .iter()
        .filter_map(|pid| fs::read_link(format!("/proc/{pid}/cwd")).ok())
        .filter(|folder| folder.parent() == Some(&env::temp_dir()))
        .collect()
}

fn all_gone(processes: &BTreeSet<u32>, folders: &BTreeSet<PathBuf>) -> Result<(), HarnessError> {
    until("processes and folders are gone", DEADLINE, || {
        !processes.iter().any(|&pid| is_alive(pid)) && !folders.iter().any(|folder| folder.exists())
    })
}

#[test]
fn run_hands_over_the_addresses_and_passes_on_the_exit_code() {
    let script = r#"echo "$BLOODBANK_TEST_RABBIT_URL $BLOODBANK_TEST_REDIS_URL"; exit 7"#;
    let output = services().args(["run", "--", "sh", "-c", script]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let rabbit = port_in(&printed, "amqp://guest:guest@127.0.0.1:");
    let redis = port_in(&printed, "redis://127.0.0.1:");
    assert_eq!(amqp_answer(rabbit), None, "stopped with the command");
    assert_eq!(redis_answer(redis, "PING"), None, "stopped with the command");
}

#[test]
fn run_passes_a_signal_on_to_the_whole_command() {
    let script = "sleep 600 & echo ready; wait";
    let mut child = Ended(services().args(["run", "--", "sh", "-c", script]).spawn().unwrap());
    assert_eq!(first_line(&mut child.0), "ready\n");
    let processes = descendants(child.0.id());
    let folders = folders(&processes);
    assert_eq!(folders.len(), 3, "RabbitMQ, its port mapper and Redis: {folders:?}");
    kill_process(Pid::from_child(&child.0), Signal::TERM).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(128 + 15));
    assert!(!folders.iter().any(|folder| folder.exists()), "gone before it ended");
    all_gone(&processes, &folders).unwrap();
}

#[test]
fn up_prints_addresses_and_a_kill_orphans_nothing() {
    let mut child = Ended(services().arg("up").spawn().unwrap());
    let line = first_line(&mut child.0);
    assert!(line.starts_with("export RABBIT_URL=amqp://"), "{line}");
    assert_eq!(amqp_answer(port_in(&line, "amqp://guest:guest@127.0.0.1:")), Some(1));
    let redis = port_in(line.trim_end(), "REDIS_URL=redis://127.0.0.1:");
    assert_eq!(redis_answer(redis, "PING").unwrap(), "+PONG\r\n");
    let processes = descendants(child.0.id());
    let folders = folders(&processes);
    assert_eq!(folders.len(), 3, "RabbitMQ, its port mapper and Redis: {folders:?}");
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    all_gone(&processes, &folders).unwrap();
}

#[test]
fn a_missing_broker_is_named_with_the_remedy() {
    let output =
        services().args(["run", "--", "true"]).env("BLOODBANK_RABBITMQ_SCRIPTS", "/no/such/folder").output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("/no/such/folder/rabbitmq-server"), "{complaint}");
    assert!(complaint.contains("apt-get install rabbitmq-server"), "{complaint}");
    assert!(complaint.contains("./scripts/test.sh"), "{complaint}");
}

#[test]
fn wrong_arguments_print_the_usage() {
    for arguments in [&["run"][..], &["run", "--"], &["up", "now"], &[]] {
        let output = services().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("usage: "));
    }
}

/// Here because no other test of this file starts a broker in this process.
#[test]
fn a_broker_that_cannot_start_says_why_and_leaves_no_folder() {
    let error = RabbitMq::start_with("no_such_setting = 1\n").unwrap_err();
    let HarnessError::StartupFailed { log, .. } = &error else { panic!("{error}") };
    assert!(log.contains("no_such_setting"), "{error}");
    let ours = format!("bloodbank-rabbitmq-{:x}-", process::id());
    let left = fs::read_dir(env::temp_dir()).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&ours))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
