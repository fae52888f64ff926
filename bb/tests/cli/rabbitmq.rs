//! The verbs on RabbitMQ, between processes.

use std::{path::Path, process::Command};

use crate::support::{Running, command, example, fails, out};
use bloodbank_harness::{shared_rabbit_url, shared_redis_url, unique};
use serde_json::Value;

/// `shop` on the broker and Redis of the tests, with an exchange and queues of its own.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
    exchange: String,
    pub(crate) service: String,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), exchange: unique("test.events"), service: unique("shop") }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Command {
        let mut command = command(example("shop"), self.folder(), args);
        command.env("RABBIT_URL", shared_rabbit_url()).env("REDIS_URL", shared_redis_url());
        command.env("EXCHANGE_NAME", &self.exchange).env("SERVICE_NAME", &self.service);
        command
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

#[test]
fn an_event_is_watched_handled_and_traced() {
    let shop = Shop::new();
    let work = Running::start(shop.run(&["work"]));
    work.line("working");
    let tail = Running::start(shop.run(&["tail", "orders.#", "-n", "2"]));
    tail.line("watching");
    let receipt = out(shop.run(&["publish", "orders.order.placed", "--mock", "--json"]));
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(receipt["unrouted"], false);
    let id = receipt["event_id"].as_str().unwrap();
    assert!(tail.line("orders.order.placed").contains(id));
    assert!(tail.line("orders.order.shipped").contains("post"));
    let trace = out(shop.run(&["trace", id]));
    assert!(trace.contains("└─ orders.order.shipped"), "{trace}");
    // The digits that a drawing shows are enough.
    let drawn = out(shop.run(&["trace", id, "--format", "mermaid"]));
    assert!(drawn.contains(&id[..8]), "{drawn}");
    assert_eq!(out(shop.run(&["trace", &id[..13]])), trace);
    let nothing = fails(shop.run(&["trace", "0123456789abcdef"]), 1);
    assert!(nothing.contains("no event is known whose id begins with `0123456789abcdef`"), "{nothing}");
    let few = fails(shop.run(&["trace", "0a"]), 2);
    assert!(few.contains("first four digits"), "{few}");
}

#[test]
fn a_command_is_answered() {
    let shop = Shop::new();
    let mut work = Running::start(shop.run(&["work"]));
    work.line("working");
    let reply = out(shop.run(&["publish", "stock.article.count", "--set", "sku=A-1", "--wait"]));
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!((&reply["event_type"], &reply["payload"]["left"]), (&"stock.article.counted".into(), &3.into()));
    work.signal("TERM");
    assert_eq!(work.code(), Some(0), "it ends when it is told to");
}

#[test]
fn a_command_that_nobody_executes_fails_at_once() {
    let shop = Shop::new();
    let error = fails(shop.run(&["publish", "stock.article.count", "--mock", "--wait"]), 1);
    assert!(
        error.contains("no queue receives `stock.article.count`") && error.contains("start its executor"),
        "{error}"
    );
    let error = fails(shop.run(&["publish", "orders.order.placed", "--mock", "--wait"]), 2);
    assert!(error.contains("no command"), "{error}");
}

#[test]
fn a_journal_remembers_what_nobody_watched() {
    let shop = Shop::new();
    let error = fails(shop.run(&["history"]), 2);
    assert!(error.contains("`topology journal enable` switches one on"), "{error}");
    assert!(fails(shop.run(&["tail", "--since", "1h"]), 2).contains("topology journal enable"));
    assert!(out(shop.run(&["topology", "journal", "status"])).contains("off"));
    let enabled = out(shop.run(&["topology", "journal", "enable", "--now", "--max-age", "1h"]));
    assert!(enabled.contains(&format!("enabled {}.journal: it keeps events for 1h", shop.exchange)), "{enabled}");
    let publish = |order: &str| {
        let order = format!("order_id={order}");
        let receipt = out(shop.run(&["publish", "orders.order.placed", "--mock", "--set", &order, "--json"]));
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        assert_eq!(receipt["unrouted"], Value::Null, "nobody can tell");
        receipt["event_id"].as_str().unwrap().to_owned()
    };
    let ids = [publish("o-1"), publish("o-2")];
    let history = out(shop.run(&["history", "orders.#"]));
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains(&ids[0]) && lines[1].contains(&ids[1]), "{history}");
    assert!(out(shop.run(&["history", "--text", "o-2"])).contains(&ids[1]));
    let tail = Running::start(shop.run(&["tail", "--since", "1h", "-n", "3"]));
    tail.line(&ids[0]);
    tail.line(&ids[1]);
    let live = publish("o-3");
    tail.line(&live);
    let status: Value = serde_json::from_str(&out(shop.run(&["topology", "journal", "status", "--json"]))).unwrap();
    assert_eq!((&status["enabled"], &status["floor"], &status["tip"]), (&true.into(), &0.into(), &2.into()));
    assert!(out(shop.run(&["doctor"])).contains("its journal has the offsets 0 to 2"));
    out(shop.run(&["topology", "journal", "disable", "--delete"]));
    assert!(out(shop.run(&["doctor"])).contains("it keeps no journal"));
    fails(shop.run(&["history"]), 2);
}

#[test]
fn escapes_in_events_do_not_reach_the_terminal() {
    let shop = Shop::new();
    for style in [&["tail", "-n", "1"][..], &["tail", "-n", "1", "--full"], &["tail", "-n", "1", "--json"]] {
        let tail = Running::start(shop.run(style));
        tail.line("watching");
        let payload = r#"{"order_id": "o", "carrier": "\u001b]0;gotcha\u0007\u009b31m\u202e"}"#;
        out(shop.run(&["publish", "orders.order.shipped", "--data", payload]));
        let line = tail.line("gotcha");
        assert!(line.contains(r"\u001b]0;gotcha\u0007\u009b31m\u202e"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn the_topology_is_declared_and_the_doctor_is_content() {
    let shop = Shop::new();
    let missing = shop.run(&["topology", "diff"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stdout).unwrap().contains("missing"));
    let declared = out(shop.run(&["topology", "declare"]));
    assert!(declared.contains("14 queues"), "{declared}");
    let doctor = out(shop.run(&["doctor", "--json"]));
    let findings: Vec<Value> = serde_json::from_str(&doctor).unwrap();
    for what in ["bus", "correlation"] {
        let finding = findings.iter().find(|finding| finding["what"] == what).unwrap();
        assert_eq!(finding["state"], "ok", "{doctor}");
    }
    let clock = findings.iter().find(|finding| finding["what"] == "clock").unwrap();
    let says = clock["says"].as_str().unwrap();
    assert!(
        clock["state"] == "ok" && says.contains("RabbitMQ has none") && says.contains("that of Redis agrees"),
        "{clock}"
    );
}

impl Shop {
    /// So many orders that come to nothing.
    fn give_up(&self, count: usize) {
        let mut lines = String::new();
        for number in 0..count {
            let payload = serde_json::json!({"order_id": format!("o-{number}"), "total_cents": 0});
            lines.push_str(&format!("{payload}\n"));
        }
        out(self.run(&["topology", "declare"]));
        let orders = lines.lines().map(|line| ["publish", "orders.order.placed", "--data", line]);
        for order in orders {
            out(self.run(&order));
        }
        let mut work = Running::start(self.run(&["work"]));
        for _ in 0..count {
            work.line("gave up");
        }
        work.signal("TERM");
        assert_eq!(work.code(), Some(0));
    }
}

#[test]
fn dead_letters_on_the_broker() {
    let shop = Shop::new();
    let none = out(shop.run(&["dlq", "list"]));
    assert!(none.contains("no dead-letter queue of this program exists; not on the bus yet: "), "{none}");
    let nobody = fails(shop.run(&["dlq", "list", "--queue", "nobody.listens"]), 1);
    assert!(nobody.contains("nobody.listens"), "{nobody}");
    shop.give_up(3);
    let letters = || -> Vec<Value> { serde_json::from_str(&out(shop.run(&["dlq", "list", "--json"]))).unwrap() };
    let found = letters();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!((&found[0]["reason"], &found[0]["attempts"]), (&"failed".into(), &1.into()));
    assert_eq!(letters().len(), 3, "looking takes nothing away");
    let ids: Vec<_> = found.iter().map(|letter| letter["event_id"].as_str().unwrap()).collect();
    let queues: Vec<Value> =
        serde_json::from_str(&out(shop.run(&["queues", &format!("{}.ship", shop.service), "--json"]))).unwrap();
    assert_eq!((&queues[0]["waiting"], &queues[0]["dead_letters"]), (&0.into(), &3.into()), "{queues:?}");
    let shown = out(shop.run(&["dlq", "show", ids[0]]));
    assert!(shown.contains("\"order_id\": \"o-0\""), "{shown}");
    assert!(out(shop.run(&["dlq", "list", "--error", "nothing of the kind"])).contains("no dead letters"));
    assert!(out(shop.run(&["dlq", "redrive", "--all", "--dry-run"])).contains("3 would be redriven"));
    assert_eq!(letters().len(), 3);
    // It fails again: back it comes, with a note that it was brought back.
    assert!(out(shop.run(&["dlq", "redrive", "--id", ids[1]])).contains("1 redriven"));
    assert_eq!(letters().len(), 2);
    let mut work = Running::start(shop.run(&["work"]));
    work.line("gave up");
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    let again = letters();
    let letter = again.iter().find(|letter| letter["event_id"] == ids[1]);
    let letter = letter.unwrap_or_else(|| panic!("{again:#?}"));
    assert_eq!(letter["redriven"], 1, "{letter}");
    assert!(out(shop.run(&["dlq", "discard", "--id", ids[0], "--id", ids[2]])).contains("2 discarded"));
    let left = letters();
    assert!(left.len() == 1 && left[0]["event_id"] == ids[1], "{left:?}");
}

#[test]
fn a_broker_that_is_not_there_is_said_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let mut publish = command(example("shop"), folder.path(), &["publish", "orders.order.placed", "--mock"]);
    publish.env("RABBIT_URL", "amqp://guest:secret@127.0.0.1:1/");
    let error = fails(publish, 1);
    assert!(error.contains("127.0.0.1:1") && !error.contains("secret"), "{error}");
}

#[test]
fn a_topology_that_the_broker_would_refuse_is_known_before() {
    let shop = Shop::new();
    out(shop.run(&["topology", "declare"]));
    assert!(out(shop.run(&["topology", "diff"])).contains("as declared"));
    let mut classic = shop.run(&["topology", "diff", "--json"]);
    let output = classic.env("BLOODBANK_QUEUE_TYPE", "classic").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let compared: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let name = format!("queue `{}.ship`", shop.service);
    let queue = compared.iter().find(|item| item["item"] == name).unwrap();
    assert_eq!(queue["status"]["state"], "different", "{queue}");
    assert!(queue["status"]["detail"][0]["property"].as_str().unwrap().starts_with("x-"), "{queue}");
}
