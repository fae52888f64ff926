//! `topology partitions`, on RabbitMQ.

use std::{process::Command, rc::Rc};

use crate::support::{Running, command, example, fails, out};
use bloodbank_harness::{shared_rabbit_url, unique};
use serde_json::Value;

#[derive(Clone)]
struct Lines {
    folder: Rc<tempfile::TempDir>,
    exchange: String,
    service: String,
    /// Whether it has five partitions and not three.
    is_next: bool,
}

impl Lines {
    fn new() -> Self {
        Self {
            folder: Rc::new(tempfile::tempdir().unwrap()),
            is_next: false,
            exchange: unique("test.events"),
            service: unique("lines"),
        }
    }

    fn run(&self, args: &[&str]) -> Command {
        let mut command = command(example("lines"), self.folder.path(), args);
        command.env("RABBIT_URL", shared_rabbit_url()).env("EXCHANGE_NAME", &self.exchange);
        command.env("SERVICE_NAME", &self.service);
        if self.is_next {
            command.env("LINES_NEXT", "1");
        }
        command
    }

    /// The next version of the same program.
    fn next(&self) -> Self {
        Self { is_next: true, ..self.clone() }
    }

    fn queue(&self) -> String {
        format!("{}.follow", self.service)
    }

    fn publish(&self, events: u32) {
        for number in 0..events {
            let number = format!("number={number}");
            out(self.run(&["publish", "orders.line.changed", "--set", "order_id=o-1", "--set", &number]));
        }
    }

    fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) {
        let begun = std::time::Instant::now();
        while !holds(&self.rows()) {
            assert!(begun.elapsed() < crate::support::TIMEOUT, "{what}: {:?}", self.rows());
        }
    }

    fn rows(&self) -> Vec<Value> {
        serde_json::from_str(&out(self.run(&["topology", "partitions", "--json"]))).unwrap()
    }
}

#[test]
fn partitions_are_shown_with_what_waits_and_who_consumes_them() {
    let lines = Lines::new();
    let queue = lines.queue();
    let none = out(lines.run(&["topology", "partitions"]));
    assert!(none.contains("no queue is split"), "{none}");
    out(lines.run(&["topology", "declare"]));
    lines.publish(5);
    let rows = lines.rows();
    assert_eq!(rows.len(), 1 + 3, "{rows:?}");
    assert_eq!(
        (&rows[0]["queue"], &rows[0]["partition"], &rows[0]["waiting"]),
        (&(*queue).into(), &Value::Null, &5.into())
    );
    assert_eq!((&rows[3]["partition"], &rows[3]["consumers"]), (&2.into(), &0.into()), "{rows:?}");
    let shown = out(lines.run(&["topology", "partitions"]));
    assert!(shown.contains(&format!("{queue}.p2")) && shown.contains("nobody consumes it: start the app"), "{shown}");

    let mut work = Running::start(lines.run(&["work"]));
    work.line("working");
    lines.until("all are handled", |rows| rows.iter().all(|row| row["waiting"] == 0));
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    for args in [&["elsewhere"][..], &["drain", "elsewhere"]] {
        let unknown = fails(lines.run(&[&["topology", "partitions"][..], args].concat()), 1);
        assert!(unknown.contains("splits a queue `elsewhere`"), "{unknown}");
    }
}

#[test]
fn the_number_of_partitions_changes_while_events_come() {
    let lines = Lines::new();
    let (next, queue) = (lines.next(), lines.queue());
    let act = |lines: &Lines, verb| lines.run(&["topology", "partitions", verb, &queue]);
    out(lines.run(&["topology", "declare"]));
    let early = fails(act(&lines, "drain"), 1);
    assert!(early.contains(&format!("no process has spread the events of queue `{queue}` yet")), "{early}");
    let mut work = Running::start(lines.run(&["work"]));
    work.line("working");
    lines.until("three are in use", |rows| rows[0]["spread_to"] == 3);
    let shown = out(next.run(&["topology", "partitions"]));
    assert!(shown.contains("3 partitions are in use, and this program has 5"), "{shown}");
    let early = fails(act(&next, "switch"), 1);
    assert!(early.contains(&format!("run `bb topology partitions drain {queue}` first")), "{early}");

    // A process that does nothing keeps what it has in hand; and the verb is killed meanwhile.
    work.signal("STOP");
    lines.publish(1);
    let mut killed = Running::start(act(&lines, "drain"));
    killed.line("is held");
    killed.signal("KILL");
    assert_eq!(killed.code(), None);
    let late = fails(lines.run(&["topology", "partitions", "drain", &queue, "--timeout", "1s"]), 1);
    assert!(late.contains(&format!("not drained: {queue}")) && late.contains("resume"), "{late}");
    let early = fails(act(&next, "switch"), 1);
    assert!(early.contains(&format!("not drained: {queue}")), "{early}");
    work.signal("CONT");
    let drained = out(act(&lines, "drain"));
    assert!(drained.contains("start all processes with the new number"), "{drained}");
    let shown = out(lines.run(&["topology", "partitions"]));
    assert!(shown.contains("held, until now 3 partitions"), "{shown}");

    lines.publish(4);
    let mut more = Running::start(next.run(&["work"]));
    more.line("working");
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    // The one before may have been taken back.
    lines.until("events wait", |rows| rows[0]["waiting"].as_u64() >= Some(4) && rows[0]["held"] == true);
    let switched = out(act(&next, "switch"));
    assert!(switched.contains(&format!("{queue}: its events go to 5 partitions")), "{switched}");
    next.until("they are handled", |rows| rows.len() == 1 + 5 && rows.iter().all(|row| row["waiting"] == 0));
    // There is nothing to let go on, which is no mistake.
    assert!(out(act(&next, "resume")).contains("5 partitions"));

    // Back to three: what is left over goes.
    out(act(&next, "drain"));
    more.signal("TERM");
    assert_eq!(more.code(), Some(0));
    let switched = out(act(&lines, "switch"));
    assert!(switched.contains(&format!("{queue}.p3, {queue}.p4: left over")), "{switched}");
    assert_eq!(lines.rows().len(), 1 + 3);
}

#[test]
fn what_a_larger_number_has_left_is_shown() {
    let lines = Lines::new();
    out(lines.run(&["topology", "declare"]));
    let queue = lines.queue();
    let left = format!("{queue}.p3");
    bloodbank_declare(&left);
    let rows = lines.rows();
    assert_eq!(rows.len(), 1 + 4, "{rows:?}");
    assert_eq!((&rows[4]["partition"], &rows[4]["left_over"]), (&3.into(), &true.into()), "{rows:?}");
    let shown = out(lines.run(&["topology", "partitions"]));
    assert!(shown.contains("left over from a larger number"), "{shown}");
}

/// Declares a queue as an earlier program would have.
fn bloodbank_declare(queue: &str) {
    use bloodbank_core::{
        Settings,
        settings::QueueKind,
        transport::{Topology, topology::Queue},
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = Settings::from_vars([("RABBIT_URL", shared_rabbit_url())]).unwrap();
        let bus = bloodbank::Bus::connect(settings).await.unwrap();
        let topology = Topology::default().queues([Queue::new(queue, QueueKind::Quorum).single_active()]);
        bus.transport().declare(topology).await.unwrap();
        bus.close().await;
    });
}
