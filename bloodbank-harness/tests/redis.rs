//! Private Redis servers.

mod support;

use bloodbank_harness::{HarnessError, Redis, until};
use support::{DEADLINE, is_alive, redis_answer, users_of};

#[test]
fn a_server_lives_through_everything_and_leaves_nothing_behind() {
    let redis = Redis::start().unwrap();
    let port = redis.port();
    let ping = || redis_answer(port, "PING");
    let pong = || Some("+PONG\r\n".to_owned());
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{port}/"));
    assert_eq!(ping(), pong());
    assert!(matches!(redis.start_again(), Err(HarnessError::AlreadyRunning { .. })));

    redis.pause().unwrap();
    assert_eq!(ping(), None, "a frozen server does not answer");
    redis.resume().unwrap();
    until("the server answers again", DEADLINE, || ping() == pong()).unwrap();

    redis_answer(port, "SET colour red").unwrap();
    let first = redis.pid().unwrap();
    redis.stop().unwrap();
    assert!(!is_alive(first));
    assert_eq!(ping(), None);
    assert!(matches!(redis.pause(), Err(HarnessError::NotRunning { .. })));

    redis.start_again().unwrap();
    assert_eq!(redis_answer(port, "GET colour").unwrap(), "$-1\r\n", "nothing is kept");
    redis.pause().unwrap();
    redis.kill().unwrap();
    redis.start_again().unwrap();
    assert_eq!(ping(), pong());

    let folder = redis.folder().to_owned();
    let processes = users_of(&folder);
    assert!(processes.len() >= 2, "server and reaper: {processes:?}");
    redis.pause().unwrap();
    drop(redis);
    assert!(!folder.exists());
    until("every process is gone", DEADLINE, || !processes.iter().any(|&pid| is_alive(pid))).unwrap();
}

#[test]
fn two_servers_side_by_side_and_one_that_keeps_its_data() {
    let plain = Redis::start().unwrap();
    let durable = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).unwrap();
    assert_ne!(plain.port(), durable.port());
    assert_eq!(durable.tell("SET colour red").unwrap(), "+OK");
    assert_eq!(redis_answer(plain.port(), "GET colour").unwrap(), "$-1\r\n");
    durable.kill().unwrap();
    durable.start_again().unwrap();
    assert_eq!(redis_answer(durable.port(), "GET colour").unwrap(), "$3\r\nred\r\n");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let error = Redis::start_with(&["--no-such-setting", "1"]).unwrap_err();
    let HarnessError::StartupFailed { log, .. } = &error else { panic!("{error}") };
    assert!(log.contains("no-such-setting"), "{error}");
}
