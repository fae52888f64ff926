//! `dlq keys`.

use std::process::Command;

use crate::support::{Running, command, example, fails, out};
use serde_json::Value;

struct Accounts(tempfile::TempDir);

impl Accounts {
    fn run(&self, args: &[&str]) -> Command {
        let mut command = command(example("keys"), self.0.path(), args);
        command.env("BLOODBANK_EMBEDDED_PATH", self.0.path().join("bus.db")).env("SERVICE_NAME", "bank");
        command
    }

    fn book(&self, account: &str, cents: u32) -> String {
        let (account, cents) = (format!("account={account}"), format!("cents={cents}"));
        let args = ["publish", "accounts.amount.booked", "--set", &account, "--set", &cents, "--json"];
        let receipt: Value = serde_json::from_str(&out(self.run(&args))).unwrap();
        receipt["event_id"].as_str().unwrap().to_owned()
    }

    /// The key, the number of its events and the first of them.
    fn keys(&self) -> Vec<(String, u64, String)> {
        let rows: Value = serde_json::from_str(&out(self.run(&["dlq", "keys", "--json"]))).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (text(&row["key"]), row["events"].as_u64().unwrap(), text(&row["first"]))).collect()
    }
}

#[test]
fn parked_keys_are_listed_and_released() {
    let accounts = Accounts(tempfile::tempdir().unwrap());
    out(accounts.run(&["topology", "declare"]));
    assert_eq!(out(accounts.run(&["dlq", "keys"])), "no parked keys: bank.enter\n");
    let ids = [accounts.book("acc-1", 0), accounts.book("acc-1", 5), accounts.book("acc-2", 0)];
    let mut work = Running::start(accounts.run(&["work"]));
    work.both(["parked: event", "nothing was booked"]);
    // Through the process that has the file open, or by itself.
    let begun = std::time::Instant::now();
    while accounts.keys().len() < 2 {
        assert!(begun.elapsed() < crate::support::TIMEOUT, "{:?}", accounts.keys());
    }
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    assert_eq!(accounts.keys(), [("acc-1".to_owned(), 2, ids[0].clone()), ("acc-2".to_owned(), 1, ids[2].clone())]);
    let shown = out(accounts.run(&["dlq", "keys", "--queue", "bank.enter.dlq"]));
    assert!(shown.starts_with("bank.enter  2\n") && shown.contains("acc-1") && shown.contains("2 parked"), "{shown}");
    let listed = out(accounts.run(&["dlq", "list", "--reason", "behind"]));
    assert!(listed.contains(&ids[1]) && listed.contains(&format!("event {} of `acc-1`", ids[0])), "{listed}");

    // What is discarded leaves the line; what is gone in another way is released.
    out(accounts.run(&["dlq", "discard", "--id", &ids[0]]));
    assert_eq!(accounts.keys()[0], ("acc-1".to_owned(), 1, ids[1].clone()));
    let released = out(accounts.run(&["dlq", "keys", "--release", "acc-1"]));
    assert!(released.contains("released acc-1 in bank.enter, of which 1 event had a place"), "{released}");
    let error = fails(accounts.run(&["dlq", "keys", "--release", "acc-1"]), 1);
    assert!(error.contains("no key `acc-1` is parked") && error.contains("bank.enter"), "{error}");
    assert_eq!(accounts.keys().len(), 1);
    let released = out(accounts.run(&["dlq", "keys", "--release", "acc-2", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&released).unwrap()["events"], 1);
}
