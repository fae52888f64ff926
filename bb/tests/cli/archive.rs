//! `bb archive`: the file of a bus is archived, and read when the file has gone.

use std::{process::Command, time::Instant};

use serde_json::{Value, json};

use crate::support::{Running, TIMEOUT, command, example, fails, out};

/// `shop` on a bus in a file, with an archive in a folder.
struct Shop(tempfile::TempDir);

impl Shop {
    fn run(&self, args: &[&str]) -> Command {
        let mut command = command(example("shop"), self.0.path(), args);
        command.env("BLOODBANK_EMBEDDED_PATH", self.0.path().join("bus.db"));
        command.env("BLOODBANK_ARCHIVE", self.0.path().join("archive"));
        command
    }

    fn publish(&self, order: &str) -> String {
        let order = format!("order_id={order}");
        let receipt = out(self.run(&["publish", "orders.order.placed", "--mock", "--set", &order, "--json"]));
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        receipt["event_id"].as_str().unwrap().to_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&out(self.run(&["archive", "status", "--json"]))).unwrap()
    }
}

#[test]
fn a_journal_is_archived_and_the_archive_is_read() {
    let shop = Shop(tempfile::tempdir().unwrap());
    let mut unset = shop.run(&["archive", "status"]);
    unset.env_remove("BLOODBANK_ARCHIVE");
    assert!(fails(unset, 2).contains("BLOODBANK_ARCHIVE is not set; set it to a folder"));
    let mut nowhere = shop.run(&["archive", "read"]);
    nowhere.env("BLOODBANK_ARCHIVE", "ftp://host/folder");
    assert!(fails(nowhere, 2).contains("`ftp` is no place for an archive"));
    let mut limited = shop.run(&["archive", "run", "--once"]);
    limited.env("BLOODBANK_ARCHIVE_SEGMENT_EVENTS", "many");
    assert!(fails(limited, 2).contains("BLOODBANK_ARCHIVE_SEGMENT_EVENTS"));
    assert!(out(shop.run(&["archive", "status"])).contains("nothing is archived in the archive "));

    let ids = [shop.publish("o-1"), shop.publish("o-2")];
    assert!(out(shop.run(&["archive", "status"])).contains("`archive run` begins"));
    assert!(out(shop.run(&["archive", "run", "--once"])).contains("2 events archived in 1 segments"));
    assert!(out(shop.run(&["archive", "run", "--once"])).contains("0 events archived in 0 segments"));
    let read = out(shop.run(&["archive", "read", "orders.#"]));
    let lines: Vec<&str> = read.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains(&ids[0]) && lines[1].contains(&ids[1]), "{read}");
    assert_eq!(read, out(shop.run(&["history", "orders.#"])), "the archive, and the journal");
    let later = shop.publish("o-3");
    let status = shop.status();
    assert_eq!(json!([status["segments"], status["lag"], status["missing"]]), json!([1, 1, []]));
    assert!(out(shop.run(&["archive", "status"])).contains("; 1 behind"));

    let mut running = shop.run(&["archive", "run"]);
    running.env("BLOODBANK_ARCHIVE_SEGMENT_SECONDS", "1");
    let mut running = Running::start(running);
    running.line("archiving ");
    let begun = Instant::now();
    while shop.status()["segments"] != json!(2) {
        assert!(begun.elapsed() < TIMEOUT, "{}", shop.status());
    }
    running.signal("TERM");
    assert_eq!(running.code(), Some(0));
    assert!(out(shop.run(&["archive", "status"])).contains("; nothing is missing"));

    // The file has gone, and with it the journal.
    std::fs::remove_file(shop.0.path().join("bus.db")).unwrap();
    assert!(out(shop.run(&["archive", "read", "--id", &later, "--json"])).contains(&later));
    assert_eq!(out(shop.run(&["history", "--all"])).lines().count(), 3, "the history is that of the archive");
}
