//! Private PostgreSQL servers.

mod support;

use bloodbank_harness::{HarnessError, Postgres, until};
use support::{DEADLINE, is_alive, postgres_answer, users_of};

#[test]
fn a_server_lives_through_everything_and_leaves_nothing_behind() {
    let postgres = Postgres::start().unwrap();
    let port = postgres.port();
    assert_eq!(postgres.url(), format!("postgres://postgres@127.0.0.1:{port}/postgres"));
    assert_eq!(postgres_answer(port), Some(b'R'));
    assert!(matches!(postgres.start_again(), Err(HarnessError::AlreadyRunning { .. })));

    let first = postgres.pid().unwrap();
    postgres.stop().unwrap();
    assert!(!is_alive(first));
    assert_eq!(postgres_answer(port), None);
    for refused in [postgres.stop(), postgres.kill()] {
        assert!(matches!(refused, Err(HarnessError::NotRunning { .. })));
    }

    postgres.start_again().unwrap();
    postgres.kill().unwrap();
    // At once: the processes of the killed server may still be there.
    postgres.start_again().unwrap();
    assert_eq!(postgres_answer(port), Some(b'R'));

    let folder = postgres.folder().to_owned();
    let processes = users_of(&folder);
    assert!(processes.len() >= 2, "server and reaper: {processes:?}");
    drop(postgres);
    assert!(!folder.exists());
    until("every process is gone", DEADLINE, || !processes.iter().any(|&pid| is_alive(pid))).unwrap();
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let error = Postgres::start_with(&["no_such_setting=1"]).unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}
