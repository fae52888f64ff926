//! `bb journal`: the stream of RabbitMQ is copied into PostgreSQL, and read there.

use std::{process::Command, time::Instant};

use bloodbank_harness::{Postgres, shared_rabbit_url, unique};
use serde_json::{Value, json};

use crate::{
    serve::get,
    support::{Running, TIMEOUT, command, example, fails, out},
};

/// `shop` on the broker of the tests, and a PostgreSQL of its own.
struct Shop {
    folder: tempfile::TempDir,
    exchange: String,
    service: String,
    database: Postgres,
}

impl Shop {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            exchange: unique("test.copied"),
            service: unique("shop"),
            database: Postgres::start().unwrap(),
        }
    }

    fn run(&self, args: &[&str]) -> Command {
        let mut command = command(example("shop"), self.folder.path(), args);
        command.env("RABBIT_URL", shared_rabbit_url()).env("DATABASE_URL", self.database.url());
        command.env("EXCHANGE_NAME", &self.exchange).env("SERVICE_NAME", &self.service);
        command
    }

    fn on_copy(&self, args: &[&str]) -> Command {
        let mut command = self.run(args);
        command.env("BLOODBANK_JOURNAL", "sql");
        command
    }

    fn publish(&self, order: &str) -> String {
        let order = format!("order_id={order}");
        let receipt = out(self.run(&["publish", "orders.order.placed", "--mock", "--set", &order, "--json"]));
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        receipt["event_id"].as_str().unwrap().to_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&out(self.run(&["journal", "status", "--json"]))).unwrap()
    }

    /// Waits until so many events are copied.
    fn copied(&self, count: u64) {
        let begun = Instant::now();
        while self.status()["next"] != json!(count) {
            assert!(begun.elapsed() < TIMEOUT, "{}", self.status());
        }
    }
}

#[test]
fn a_stream_is_copied_and_the_copy_is_read() {
    let shop = Shop::new();
    let error = fails(shop.run(&["journal", "status"]), 2);
    assert!(error.contains("has no tables of Bloodbank") && error.contains("sql migrate"), "{error}");
    out(shop.run(&["sql", "migrate"]));
    let error = fails(shop.run(&["journal", "write", "--once"]), 2);
    assert!(
        error.contains("keeps no journal that could be copied") && error.contains("topology journal enable"),
        "{error}"
    );
    // Today's came with the tables.
    assert!(out(shop.run(&["journal", "partitions", "--days", "3"])).contains("3 of 4 days got their partitions"));
    let mut on_a_file = shop.run(&["journal", "write"]);
    on_a_file.env("DATABASE_URL", "sqlite://app.db?mode=rwc");
    assert!(fails(on_a_file, 2).contains("the journal is kept in PostgreSQL, and DATABASE_URL names SQLite"));
    out(shop.run(&["topology", "journal", "enable", "--now", "--max-age", "1h"]));
    assert!(out(shop.run(&["journal", "status"])).contains("nothing is copied: `journal write` begins a copy"));

    let ids = [shop.publish("o-1"), shop.publish("o-2")];
    assert_eq!(out(shop.on_copy(&["history"])), "", "it is not copied yet");
    assert!(out(shop.run(&["journal", "write", "--once"])).contains("2 events copied"));
    let history = out(shop.on_copy(&["history", "orders.#"]));
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains(&ids[0]) && lines[1].contains(&ids[1]), "{history}");
    assert_eq!(history, out(shop.run(&["history", "orders.#"])), "the copy, and the stream");
    assert!(out(shop.on_copy(&["history", "--text", "o-2"])).contains(&ids[1]));
    let status = shop.status();
    assert_eq!(status["source"], format!("the stream {}.journal", shop.exchange));
    let figures =
        json!([status["floor"], status["tip"], status["next"], status["source_tip"], status["lag"], status["lost"]]);
    assert_eq!(figures, json!([0, 1, 2, 1, 0, []]));
    assert!(status["bytes"].as_u64().unwrap() > 0 && status["partitions"] == json!(4), "{status}");
    let doctor = out(shop.on_copy(&["doctor"]));
    assert!(doctor.contains("its journal has the offsets 0 to 1 in PostgreSQL, and nothing is missing"), "{doctor}");

    let later = shop.publish("o-3");
    assert!(out(shop.run(&["journal", "status"])).contains("; 1 behind"));
    let doctor = out(shop.on_copy(&["doctor"]));
    assert!(doctor.contains("1 behind the bus; `journal write` copies them"), "{doctor}");
    let mut writer = Running::start(shop.run(&["journal", "write"]));
    writer.line("into PostgreSQL");
    shop.copied(3);
    writer.signal("TERM");
    assert_eq!(writer.code(), Some(0));
    assert!(out(shop.on_copy(&["history", "--id", &later])).contains(&later));

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let probes = format!("127.0.0.1:{port}");
    let mut work = shop.run(&["work", "--journal"]);
    work.env("BLOODBANK_PROBES", &probes);
    let mut work = Running::start(work);
    work.line("working");
    let last = shop.publish("o-4");
    // The shop answers with an event of its own.
    shop.copied(5);
    assert!(out(shop.on_copy(&["history", "--caused-by", &last])).contains("orders.order.shipped"));
    let begun = Instant::now();
    let metrics = loop {
        let metrics = get(&probes, "/metrics");
        if metrics.contains("bloodbank_journal_lag_entries ") || begun.elapsed() > TIMEOUT {
            break metrics;
        }
    };
    for line in ["bloodbank_journal_written_total 2", "bloodbank_journal_lag_entries "] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let queue = format!("{}.ship", shop.service);
    let plan = out(shop.on_copy(&["replay", "orders.order.placed", "--to", &queue, "--dry-run"]));
    assert!(plan.contains('4'), "{plan}");
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    out(shop.run(&["topology", "journal", "disable", "--delete"]));
    assert_eq!(out(shop.on_copy(&["history", "orders.order.placed"])).lines().count(), 4, "the copy stays");
    let serve = Running::start(shop.on_copy(&["serve", "--port", "0", "--no-commands"]));
    let docs = serve.line("/docs");
    let address = docs.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let page = get(address, "/history?from=0&limit=2");
    assert!(page.contains(&ids[0]) && page.contains(&ids[1]) && page.contains("\"tip\":4"), "{page}");
}
