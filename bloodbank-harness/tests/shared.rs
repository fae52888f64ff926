//! The servers that tests share.

mod support;

use bloodbank_harness::{shared_postgres_url, shared_rabbit_url, shared_redis_url, unique};
use support::{amqp_answer, postgres_answer, redis_answer};

#[test]
fn shared_servers_answer_and_stay_the_same() {
    let (rabbit, redis) = (shared_rabbit_url(), shared_redis_url());
    let port = |url: &str| url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    assert_eq!(amqp_answer(port(&rabbit)), Some(1));
    assert_eq!(redis_answer(port(&redis), "PING").unwrap(), "+PONG\r\n");
    assert_eq!(postgres_answer(port(&shared_postgres_url())), Some(b'R'));
    assert_eq!((rabbit, redis), (shared_rabbit_url(), shared_redis_url()));
}

#[test]
fn unique_names_differ_and_fit_everywhere() {
    let (one, two) = (unique("orders"), unique("orders"));
    assert_ne!(one, two);
    assert!(one.starts_with("orders-"));
    assert!(one.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{one}");
}
