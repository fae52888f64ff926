//! `bb sql` and `bb outbox`, on a file of SQLite.

use std::{
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use bloodbank::{
    Bus,
    sql::{INSERT, OutboxRow},
};
use serde_json::{Value, json};

use crate::support::{Running, bb, fails, out};

fn on_database(folder: &Path, args: &[&str]) -> Command {
    let mut command = bb(folder, args);
    command.env("DATABASE_URL", "sqlite://app.db?mode=rwc").env("BLOODBANK_EMBEDDED_PATH", "bus.db");
    command
}

#[test]
fn the_tables_are_printed_made_and_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let bb_in = |args: &[&str]| on_database(folder.path(), args);
    let error = fails(bb(folder.path(), &["sql", "status"]), 2);
    assert!(error.contains("DATABASE_URL is not set; set it to `postgres://"), "{error}");
    let mut other = bb(folder.path(), &["sql", "migrate"]);
    other.env("DATABASE_URL", "mysql://root:secret@localhost/shop");
    let error = fails(other, 2);
    assert!(error.contains("is no address of a database") && !error.contains("secret"), "{error}");

    let mut status = bb_in(&["sql", "status"]);
    let output = status.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("SQLite: no tables, needed is 4"));
    let doctor = out(bb_in(&["doctor"]));
    assert!(doctor.contains("SQLite answers, and has no tables of Bloodbank; `sql migrate` creates them"), "{doctor}");
    assert!(out(bb_in(&["sql", "migrate"])).contains("SQLite: migrated to version 4"));
    assert!(out(bb_in(&["sql", "migrate"])).contains("nothing to do"));
    let status: Value = serde_json::from_str(&out(bb_in(&["sql", "status", "--json"]))).unwrap();
    assert_eq!(status, json!({ "database": "SQLite", "version": 4, "needed": 4 }));
    assert!(out(bb_in(&["doctor"])).contains("SQLite, version 4 of the tables; nothing waits in the outbox"));

    assert!(out(bb_in(&["sql", "schema"])).contains("STRICT"));
    assert!(out(bb(folder.path(), &["sql", "schema", "postgres"])).contains("timestamptz"));
}

fn write_row(folder: &Path, is_mandatory: bool) {
    let payload = json!({ "order_id": "o-1" });
    let bus = Bus::embedded();
    let event = bus.publish_value("orders.order.placed", &payload).allow_unregistered();
    let event = if is_mandatory { event.mandatory() } else { event };
    let row = OutboxRow::of(&event.prepare().unwrap()).unwrap();
    let values = rusqlite::params![row.event_id.to_string(), row.event_type, row.message, row.order_key];
    rusqlite::Connection::open(folder.join("app.db")).unwrap().execute(INSERT, values).unwrap();
}

#[test]
fn rows_are_listed_relayed_retried_and_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let bb_in = |args: &[&str]| on_database(folder.path(), args);
    let error = fails(bb_in(&["outbox", "relay", "--once"]), 2);
    assert!(error.contains("has no tables of Bloodbank"), "{error}");
    out(bb_in(&["sql", "migrate"]));
    write_row(folder.path(), true);
    write_row(folder.path(), false);
    let listed = out(bb_in(&["outbox", "list"]));
    assert!(listed.contains("orders.order.placed") && listed.contains("2 waiting, 0 parked"), "{listed}");
    assert!(out(bb_in(&["outbox", "relay", "--once"])).contains("1 published"));

    let parked: Value = serde_json::from_str(&out(bb_in(&["outbox", "list", "--parked", "--json"]))).unwrap();
    let row = &parked[0];
    assert_eq!((parked.as_array().unwrap().len(), &row["parked"]), (1, &json!(true)), "{parked}");
    assert!(row["error"].as_str().unwrap().contains("no queue receives `orders.order.placed`"), "{row}");
    let id = row["id"].to_string();
    let shown = out(bb_in(&["outbox", "show", &id]));
    assert!(shown.contains("parked") && shown.contains("\"order_id\": \"o-1\""), "{shown}");
    assert!(out(bb_in(&["doctor"])).contains("1 are parked: `outbox list --parked` shows why"));

    let error = fails(bb_in(&["outbox", "retry"]), 2);
    assert!(error.contains("say which rows"), "{error}");
    let error = fails(bb_in(&["outbox", "retry", "4711"]), 1);
    assert!(error.contains("are not there any more"), "{error}");
    assert!(out(bb_in(&["outbox", "retry", &id])).contains("1 will be tried again"));
    assert!(out(bb_in(&["outbox", "list"])).contains("1 waiting, 0 parked"));
    assert!(out(bb_in(&["outbox", "relay", "--once"])).contains("0 published"));
    assert!(out(bb_in(&["outbox", "discard", "--all"])).contains("1 discarded"));
    assert!(out(bb_in(&["outbox", "list"])).contains("0 waiting, 0 parked"));
}

#[test]
fn the_worker_relays_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let bb_in = |args: &[&str]| on_database(folder.path(), args);
    let error = fails(bb_in(&["work", "--outbox"]), 2);
    assert!(error.contains("has no tables of Bloodbank"), "{error}");
    out(bb_in(&["sql", "migrate"]));
    write_row(folder.path(), false);
    let mut work = Running::start(bb_in(&["work", "--outbox"]));
    work.line("working");
    let begun = Instant::now();
    while !out(bb_in(&["outbox", "list"])).contains("0 waiting, 0 parked") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(50));
    }
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
}
