//! Private RabbitMQ brokers. A start costs five seconds, so several tests share a broker.

mod support;

use std::thread;

use bloodbank_harness::{HarnessError, RabbitMq, until};
use support::{DEADLINE, amqp_answer, descendants, is_alive, users_of};

#[test]
fn a_broker_lives_through_everything_and_leaves_nothing_behind() {
    let rabbit = RabbitMq::start().unwrap();
    let port = rabbit.port();
    assert_eq!(rabbit.url(), format!("amqp://guest:guest@127.0.0.1:{port}/%2f"));
    assert_eq!(amqp_answer(port), Some(1));
    assert!(matches!(rabbit.start_again(), Err(HarnessError::AlreadyRunning { .. })));

    rabbit.ctl(&["add_vhost", "kept"]).unwrap();
    let vhosts = rabbit.ctl(&["list_vhosts", "name"]).unwrap();
    assert_eq!(vhosts.lines().collect::<Vec<_>>().len(), 2, "no chatter: {vhosts}");
    let error = rabbit.ctl(&["delete_vhost", "absent"]).unwrap_err();
    assert!(matches!(error, HarnessError::Rabbitmqctl { .. }), "{error}");
    assert!(error.to_string().contains("absent"), "{error}");

    rabbit.pause().unwrap();
    assert_eq!(amqp_answer(port), None, "a frozen broker does not answer");
    rabbit.resume().unwrap();
    until("the broker answers again", DEADLINE, || amqp_answer(port) == Some(1)).unwrap();

    let first = rabbit.pid().unwrap();
    rabbit.pause().unwrap();
    rabbit.stop().unwrap();
    assert!(!is_alive(first), "stopping ends a frozen broker too");
    assert_eq!(rabbit.pid(), None);
    for refused in [rabbit.stop(), rabbit.kill(), rabbit.pause()] {
        assert!(matches!(refused, Err(HarnessError::NotRunning { .. })));
    }

    rabbit.start_again().unwrap();
    assert_eq!(rabbit.port(), port);
    let second = rabbit.pid().unwrap();
    rabbit.kill().unwrap();
    assert!(!is_alive(second));
    rabbit.start_again().unwrap();
    assert_eq!(amqp_answer(port), Some(1));
    assert!(rabbit.ctl(&["list_vhosts", "name"]).unwrap().contains("kept"), "the data stayed");

    let folder = rabbit.folder().to_owned();
    let mut processes = descendants(rabbit.pid().unwrap());
    processes.extend(users_of(&folder));
    assert!(processes.len() >= 3, "broker, port mapper and reaper: {processes:?}");
    drop(rabbit);
    assert!(!folder.exists());
    assert_eq!(amqp_answer(port), None);
    until("every process is gone", DEADLINE, || !processes.iter().any(|&pid| is_alive(pid))).unwrap();
}

#[test]
fn two_brokers_side_by_side_do_not_see_each_other() {
    let other = thread::spawn(RabbitMq::start);
    let one = RabbitMq::start_with("consumer_timeout = 12345\n").unwrap();
    let other = other.join().unwrap().unwrap();
    assert_ne!(one.port(), other.port());
    assert_ne!(one.folder(), other.folder());

    one.ctl(&["add_vhost", "only-here"]).unwrap();
    assert!(!other.ctl(&["list_vhosts", "name"]).unwrap().contains("only-here"));
    let timeout = one.ctl(&["eval", "application:get_env(rabbit, consumer_timeout)."]).unwrap();
    assert_eq!(timeout.trim(), "{ok,12345}");

    drop(one);
    assert_eq!(amqp_answer(other.port()), Some(1), "the other one goes on");
}
