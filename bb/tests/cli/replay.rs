//! A replay that is killed.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Running, TIMEOUT, command, example, out};
use bloodbank_core::{
    Bus, Settings,
    message::names,
    store::{JournalQuery, Position},
};
use futures_util::TryStreamExt;
use serde_json::Value;

fn shop(folder: &Path, args: &[&str]) -> Command {
    let mut command = command(example("shop"), folder, args);
    command.env("SERVICE_NAME", "shop").env("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db"));
    command
}

async fn bus(folder: &Path) -> Bus {
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db").to_str().unwrap().to_owned())];
    Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap()
}

/// The replay that is kept, once it has come so far.
fn kept(folder: &Path, sent: u64) -> String {
    let begun = Instant::now();
    loop {
        let files = std::fs::read_dir(folder.join(".local/state/bloodbank/replays")).into_iter().flatten().flatten();
        for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json")) {
            let request: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
            if request["progress"]["sent"].as_u64() >= Some(sent) {
                return request["progress"]["id"].as_str().unwrap().to_owned();
            }
        }
        assert!(begun.elapsed() < TIMEOUT, "nothing is kept");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_replay_that_is_killed_goes_on_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let shop = |args: &[&str]| shop(folder.path(), args);
    out(shop(&["topology", "declare"]));
    let writer = bus(folder.path()).await;
    for number in 0..60 {
        let payload = serde_json::json!({ "order_id": format!("o-{number}"), "total_cents": 1 });
        // The program that declares the event is another one.
        writer.publish_value("orders.order.placed", &payload).allow_unregistered().await.unwrap();
    }
    writer.close().await;
    let mut killed = Running::start(shop(&["replay", "orders.#", "--to", "shop.ship", "--rate", "40"]));
    let id = kept(folder.path(), 10);
    killed.signal("KILL");
    killed.code();
    let resumed: Value = serde_json::from_str(&out(shop(&["replay", "--resume", &id, "--json"]))).unwrap();
    assert_eq!(
        (&resumed["state"], &resumed["sent"], &resumed["id"]),
        (&"done".into(), &60.into(), &id.as_str().into())
    );
    let reader = bus(folder.path()).await;
    let journal = reader.stores().journal.unwrap();
    let mut entries = journal.read(JournalQuery::all(), Position::Start);
    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    while let Some(entry) = entries.try_next().await.unwrap() {
        if let Some(replay) = entry.message.properties.headers.text(names::REPLAYED) {
            assert_eq!((replay, &*entry.message.routing_key), (id.as_str(), "shop.ship"));
            *times.entry(entry.event_id()).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 60, "none is missing");
    let twice = times.values().filter(|times| **times > 1).count();
    assert!(twice < 40, "what was kept as confirmed was sent again: {twice}");
    reader.close().await;
}

#[test]
fn what_was_handled_is_recorded_with_its_effects_and_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let shop = |args: &[&str]| shop(folder.path(), args);
    out(shop(&["topology", "declare"]));
    out(shop(&["publish", "orders.order.placed", "--mock"]));
    let mut work = Running::start(shop(&["work"]));
    let begun = Instant::now();
    while out(shop(&["history", "--type", "orders.order.shipped", "--json"])).is_empty() {
        assert!(begun.elapsed() < TIMEOUT, "nobody ships");
        std::thread::sleep(Duration::from_millis(50));
    }
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
    let recorded = out(shop(&["record", "--type", "orders.order.placed"]));
    let types: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = types.iter().map(|entry| entry["routing_key"].as_str().unwrap()).collect();
    assert_eq!(types, ["orders.order.placed", "orders.order.shipped"]);
    let compared = out(shop(&["replay", "--type", "orders.order.placed", "--diff"]));
    assert_eq!(compared.trim_end(), "1 events handled, 1 follow-ups as recorded, 0 different");
}
