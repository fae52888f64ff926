//! The verbs on a RabbitMQ of their own: what it imports, whom it lets in, what its management plugin counts.

use std::time::{Duration, Instant};

use bloodbank_harness::RabbitMq;
use serde_json::Value;

use crate::{
    rabbitmq::Shop,
    support::{Running, TIMEOUT, fails, out},
};

#[test]
fn a_broker_that_imports_the_definitions_has_what_the_program_declares() {
    let shop = Shop::new();
    let rabbit = RabbitMq::start().unwrap();
    let run = |args: &[&str]| {
        let mut command = shop.run(args);
        command.env("RABBIT_URL", rabbit.url());
        command
    };
    let file = shop.folder().join("definitions.json");
    std::fs::write(&file, out(run(&["topology", "--format", "definitions"]))).unwrap();
    rabbit.ctl(&["import_definitions", file.to_str().unwrap()]).unwrap();
    // Exit code 1 where something is missing or different.
    let compared = out(run(&["topology", "diff"]));
    assert!(!compared.contains("missing") && !compared.contains("different"), "{compared}");
    // A binding is there before the program has declared anything.
    let receipt = out(run(&["publish", "orders.order.placed", "--mock", "--json"]));
    assert!(receipt.contains("\"unrouted\": false"), "{receipt}");
    assert!(out(run(&["topology", "declare"])).contains("declared"));
    let mut work = Running::start(run(&["work"]));
    work.line("working");
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));

    // A user who may not configure leaves that to whoever imports the definitions.
    rabbit.ctl(&["add_user", "worker", "secret"]).unwrap();
    rabbit.ctl(&["set_permissions", "worker", "^bloodbank.reply", ".*", ".*"]).unwrap();
    let as_worker = |mode: &str, args: &[&str]| {
        let mut command = run(args);
        command.env("RABBIT_URL", rabbit.url().replace("guest:guest", "worker:secret"));
        command.env("BLOODBANK_TOPOLOGY", mode);
        command
    };
    let refused = fails(as_worker("declare", &["work"]), 1);
    assert!(refused.contains("access to exchange") && refused.contains("refused for user 'worker'"), "{refused}");
    for mode in ["verify", "none"] {
        let mut work = Running::start(as_worker(mode, &["work"]));
        work.line("working");
        out(as_worker(mode, &["publish", "orders.order.placed", "--set", "order_id=o-1", "--set", "total_cents=0"]));
        work.line("gave up");
        out(as_worker(mode, &["publish", "stock.article.count", "--mock", "--wait"]));
        work.signal("TERM");
        assert_eq!(work.code(), Some(0));
    }
    let queue = format!("{}.ship", shop.service);
    rabbit.ctl(&["delete_queue", &queue]).unwrap();
    let missing = fails(as_worker("verify", &["work"]), 1);
    assert!(missing.contains(&format!("a queue is missing, `{queue}`")), "{missing}");
    assert!(missing.contains("topology --format definitions"), "{missing}");
    let unreadable = fails(as_worker("check", &["work"]), 2);
    assert!(unreadable.contains("`declare`, `verify` or `none`"), "{unreadable}");
}

/// The plugin that Debian's package brings along.
#[test]
fn the_management_plugin_shows_the_whole_system() {
    let rabbit = RabbitMq::start_with_management().unwrap();
    let shop = Shop::new();
    let url = rabbit.management_url().unwrap();
    let run = |args: &[&str]| {
        let mut command = shop.run(args);
        command.env("RABBIT_URL", rabbit.url()).env("RABBIT_MANAGEMENT_URL", &url);
        command
    };
    out(run(&["topology", "declare"]));
    for number in 0..3 {
        out(run(&[
            "publish",
            "orders.order.placed",
            "--set",
            &format!("order_id=o-{number}"),
            "--set",
            "total_cents=0",
        ]));
    }
    let queue = format!("{}.ship", shop.service);
    // It is asked without names. The plugin counts every few seconds.
    let row_when = |wanted: &dyn Fn(&Value) -> bool| {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let rows: Vec<Value> = serde_json::from_str(&out(run(&["queues", "--json"]))).unwrap();
            let row = rows.iter().find(|row| row["name"] == *queue).unwrap_or_else(|| panic!("{rows:?}")).clone();
            if wanted(&row) {
                return row;
            }
            assert!(Instant::now() < deadline, "{row}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let row = row_when(&|row| row["waiting"] == 3);
    assert_eq!((&row["consumers"], &row["unsettled"]), (&0.into(), &0.into()), "{row}");
    let mut work = Running::start(run(&["work"]));
    for _ in 0..3 {
        work.line("gave up");
    }
    let row = row_when(&|row| row["dead_letters"] == 3 && row["waiting"] == 0);
    assert_eq!(row["consumers"], 1, "{row}");
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    let table = out(run(&["queues"]));
    assert!(table.contains(&queue), "{table}");
    let mut refused = run(&["queues"]);
    refused.env("RABBIT_MANAGEMENT_URL", url.replace("guest:guest", "guest:wrong"));
    let error = fails(refused, 1);
    assert!(error.contains("refuses the user") && !error.contains("wrong"), "{error}");
}
