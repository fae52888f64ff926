//! `topology partitions`, on RabbitMQ.

use std::process::Command;

use crate::support::{Running, command, example, fails, out};
use bloodbank_harness::{shared_rabbit_url, unique};
use serde_json::Value;

struct Lines {
    folder: tempfile::TempDir,
    exchange: String,
    service: String,
}

impl Lines {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), exchange: unique("test.events"), service: unique("lines") }
    }

    fn run(&self, args: &[&str]) -> Command {
        let mut command = command(example("lines"), self.folder.path(), args);
        command.env("RABBIT_URL", shared_rabbit_url()).env("EXCHANGE_NAME", &self.exchange);
        command.env("SERVICE_NAME", &self.service);
        command
    }

    fn rows(&self) -> Vec<Value> {
        serde_json::from_str(&out(self.run(&["topology", "partitions", "--json"]))).unwrap()
    }
}

#[test]
fn partitions_are_shown_with_what_waits_and_who_consumes_them() {
    let lines = Lines::new();
    let queue = format!("{}.follow", lines.service);
    let none = out(lines.run(&["topology", "partitions"]));
    assert!(none.contains("no queue is split"), "{none}");
    out(lines.run(&["topology", "declare"]));
    for number in 0..5 {
        let number = format!("number={number}");
        out(lines.run(&["publish", "orders.line.changed", "--set", "order_id=o-1", "--set", &number]));
    }
    let rows = lines.rows();
    assert_eq!(rows.len(), 1 + 3, "{rows:?}");
    assert_eq!(
        (&rows[0]["queue"], &rows[0]["partition"], &rows[0]["waiting"]),
        (&(*queue).into(), &Value::Null, &5.into())
    );
    assert_eq!((&rows[3]["partition"], &rows[3]["consumers"]), (&2.into(), &0.into()), "{rows:?}");
    let shown = out(lines.run(&["topology", "partitions"]));
    assert!(shown.contains(&format!("{queue}.p2")) && shown.contains("nobody consumes it: start the app"), "{shown}");

    let waiting = fails(lines.run(&["topology", "partitions", &queue, "--until-empty", "--timeout", "1s"]), 1);
    assert!(waiting.contains(&format!("not empty within 1s: {queue}")), "{waiting}");
    let mut work = Running::start(lines.run(&["work"]));
    work.line("working");
    // Without the management API it is seen when the processes have ended.
    let handled = || lines.rows().iter().all(|row| row["waiting"] == 0);
    let begun = std::time::Instant::now();
    while !handled() {
        assert!(begun.elapsed() < crate::support::TIMEOUT, "{:?}", lines.rows());
    }
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    let empty = out(lines.run(&["topology", "partitions", &queue, "--until-empty"]));
    assert!(empty.contains("start all of them with the new number"), "{empty}");
    let unknown = fails(lines.run(&["topology", "partitions", "elsewhere"]), 1);
    assert!(unknown.contains("splits a queue `elsewhere`"), "{unknown}");
}

#[test]
fn what_a_larger_number_has_left_is_shown() {
    let lines = Lines::new();
    out(lines.run(&["topology", "declare"]));
    let queue = format!("{}.follow", lines.service);
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
