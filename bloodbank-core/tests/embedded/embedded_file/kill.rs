//! Killed without a warning, again and again.

use std::{collections::HashSet, env, io::Write, process::Command};

use super::{child::Child, *};

/// A number below `bound`.
fn random(bound: u128) -> u128 {
    uuid::Uuid::new_v4().as_u128() % bound
}

fn check_file(folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join("bus.db")).unwrap();
    let answer: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok");
    let lost: i64 = connection
        .query_row("SELECT count(*) FROM entries WHERE message NOT IN (SELECT id FROM messages)", (), |row| row.get(0))
        .unwrap();
    assert_eq!(lost, 0);
    let miscounted: i64 = connection
        .query_row(
            "SELECT count(*) FROM depths
            WHERE messages <> (SELECT count(*) FROM entries WHERE entries.queue = depths.queue)",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(miscounted, 0);
}

#[tokio::test]
async fn killed_under_load_nothing_that_was_confirmed_is_lost() {
    loses_nothing(0).await;
}

/// The children read from the file what they handle.
#[tokio::test]
async fn killed_with_a_backlog_nothing_that_was_confirmed_is_lost() {
    loses_nothing(4_000).await;
}

/// Kills again and again who publishes and handles, behind a backlog.
async fn loses_nothing(backlog: usize) {
    const ROUNDS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let mut confirmed: HashSet<String> = (0..backlog).map(|number| format!("backlog/{number}")).collect();
    let mut handled = HashSet::new();
    let bus = open(folder.path()).await;
    let publishes = confirmed.iter().map(|name| publish(&bus, EVENTS, "orders.order.placed", name.as_str()));
    for published in futures_util::future::join_all(publishes).await {
        published.unwrap();
    }
    bus.close().await;
    for _ in 0..ROUNDS {
        let mut child = Child::start("load", folder.path());
        let end = 20 + random(1_500);
        let mut said = 0;
        while let Some(line) = child.line() {
            match line.split_once(' ') {
                Some(("confirmed", name)) => assert!(confirmed.insert(name.to_owned()), "confirmed twice: {name}"),
                // Twice is allowed: the news that it was settled may be lost with the process.
                Some(("handled", name)) => drop(handled.insert(name.to_owned())),
                _ => panic!("unexpected: {line}"),
            }
            said += 1;
            if said == end {
                child.kill();
            }
        }
        assert!(said >= end, "the child ended by itself");
        child.wait();
        check_file(folder.path());
    }

    let bus = open(folder.path()).await;
    let mut left = HashSet::new();
    let queues = [QUEUE, "shop.ship.dlq"];
    let is_empty = |bus: &Embedded| {
        let rung = rung_name(QueueKind::Quorum, Duration::from_millis(250));
        [queues[0], queues[1], &rung].iter().all(|queue| bus.depth(queue) == Some((0, 0)))
    };
    let mut deliveries = futures_util::stream::select(consume(&bus, queues[0]).await, consume(&bus, queues[1]).await);
    while !is_empty(&bus) {
        let delivery = tokio::time::timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap();
        assert!(left.insert(body(&delivery).to_owned()), "twice in the queues: {}", body(&delivery));
        delivery.ack();
    }
    let lost: Vec<_> = confirmed.iter().filter(|name| !handled.contains(*name) && !left.contains(*name)).collect();
    let again = left.intersection(&handled).count();
    println!(
        "{ROUNDS} kills: {} confirmed, {} handled, {} left, {again} of them handled before, {} lost",
        confirmed.len(),
        handled.len(),
        left.len(),
        lost.len(),
    );
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(confirmed.len() > 100 && handled.len() > 10);
    bus.close().await;
}

#[tokio::test]
async fn what_kills_its_consumer_each_time_is_parked() {
    parks_the_poison("poison").await;
}

/// What was marked ahead with the poison, but never handed out, is not parked with it.
#[tokio::test]
async fn the_innocent_are_not_parked_with_what_kills_their_consumer() {
    parks_the_poison("slow poison").await;
}

async fn parks_the_poison(role: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    for text in ["poison", "good"] {
        publish(&bus, EVENTS, "orders.order.placed", text).await.unwrap();
    }
    bus.close().await;
    let mut deaths = 0;
    loop {
        let mut child = Child::start(role, folder.path());
        let said = child.line();
        child.wait();
        if said.as_deref() == Some("good") {
            break;
        }
        assert_eq!(said.as_deref(), Some("poison"), "after {deaths} deaths");
        deaths += 1;
    }
    assert_eq!(deaths, bloodbank_core::transport::topology::DELIVERY_LIMIT + 1);
    let bus = open(folder.path()).await;
    let dead = next(&mut consume(&bus, "shop.ship.dlq").await).await;
    assert_eq!(body(&dead), "poison");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_may_not_grow_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let mut limited = Command::new("sh");
    // Writing past the limit is an error of the call, not a signal; the limit can be lifted later.
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 4000; exec \"$0\" \"$@\""]);
    limited.arg(env::current_exe().unwrap());
    let mut child = Child::start_as(limited, "full", folder.path());
    let mut confirmed = 0;
    let refused = loop {
        let line = child.line().expect("it goes on until it is refused");
        if line.starts_with("refused") {
            break line;
        }
        confirmed += 1;
    };
    assert!(confirmed > 0);
    assert!(refused.contains("Storage") && refused.contains("bus.db"), "{refused}");
    let lifted = Command::new("prlimit")
        .args(["--pid", &child.id().to_string(), "--fsize=unlimited"])
        .status()
        .expect("prlimit of util-linux");
    assert!(lifted.success());
    child.stdin.write_all(b"\n").unwrap();
    assert_eq!(child.line().as_deref(), Some("confirmed again"));
    child.wait();
    check_file(folder.path());
    let bus = open(folder.path()).await;
    assert_eq!(bus.depth(QUEUE), Some((confirmed + 1, 0)), "what was refused is not there");
}
