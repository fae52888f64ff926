//! The archive of a stream on RabbitMQ, with archivers that are killed meanwhile.
//!
//! `BLOODBANK_TEST_KILLS` says how often.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bloodbank::{
    Bus, Settings,
    amqp::{JournalRetention, JournalSwitch},
    prelude::*,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use bloodbank_archive::{Archive, Archiver, SegmentLimits};
use bloodbank_harness::{shared_rabbit_url, unique};
use futures_util::StreamExt;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Folder, assert_same, entries, kills::number, troubles::soon, whole};

const CHILD: &str = "BLOODBANK_TEST_ARCHIVE_OF_STREAM";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "ledger.page.streamed")]
struct Streamed {
    page: u64,
}

fn limits() -> SegmentLimits {
    SegmentLimits::default().events(30).age(Duration::from_millis(200))
}

/// This program again, as the archiver that is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test of this file starts it"]
async fn child() {
    let Ok(folder) = env::var(CHILD) else { return };
    let bus = Bus::connect(Settings::load().unwrap()).await.unwrap();
    let archiver = Archiver::new(Archive::open(&folder).unwrap()).limits(limits());
    archiver.run(bus, CancellationToken::new()).await.unwrap();
}

fn start_child(folder: &Folder, rabbit: &str, exchange: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "stream::child", "--ignored", "--nocapture"]).env_clear();
    command.env(CHILD, folder.folder.path()).env("RABBIT_URL", rabbit).env("EXCHANGE_NAME", exchange);
    command.current_dir(env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_archived_by_archivers_that_are_killed_without_a_gap_or_a_duplicate() {
    let (kills, folder) = (number("BLOODBANK_TEST_KILLS", 8), Folder::new());
    let rabbit = spawn_blocking(shared_rabbit_url).await.unwrap();
    let exchange = unique("archived");
    let address = folder.folder.path().to_str().unwrap().to_owned();
    let vars = [("RABBIT_URL", &*rabbit), ("EXCHANGE_NAME", &*exchange), ("BLOODBANK_ARCHIVE", &*address)];
    let settings = Settings::from_vars(vars).unwrap();
    // The exchange is there first.
    Bus::connect(settings.clone()).await.unwrap().close().await;
    let switch = JournalSwitch::connect(&settings).await.unwrap();
    switch.enable(JournalRetention::new(Duration::from_secs(3_600), 100_000_000), Duration::ZERO).await.unwrap();
    let bus = Bus::connect(settings).await.unwrap();
    let (mut confirmed, mut tips): (Vec<Uuid>, Vec<_>) = (Vec::new(), Vec::new());
    for _ in 0..kills {
        let mut archiver = start_child(&folder, &rabbit, &exchange);
        let publishing = (0..200).map(|page| bus.publish(Streamed { page }).into_future());
        let receipts = futures_util::stream::iter(publishing).buffered(50);
        confirmed.extend(receipts.map(|receipt| receipt.unwrap().event_id).collect::<Vec<_>>().await);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1_500))).await;
        archiver.kill().unwrap();
        archiver.wait().unwrap();
        tips.push(folder.archive.tip().await.unwrap());
    }
    println!("{kills} kills; after each, the archive ended at {tips:?}");
    let mut archiver = start_child(&folder, &rabbit, &exchange);
    soon(async || folder.archive.tip().await.unwrap() == Some(confirmed.len() as u64 - 1)).await;
    archiver.kill().unwrap();
    archiver.wait().unwrap();
    let archived = entries(&folder.archive, JournalQuery::all(), Position::Start).await.unwrap();
    let ids: Vec<_> = archived.iter().filter_map(JournalEntry::event_id).collect();
    assert_eq!(ids, confirmed, "left: the archive, right: what was confirmed");
    let live = bus.live_journal().unwrap();
    assert_same(&whole(&folder.archive).await, &whole(&*live).await);
    // The broker has removed everything; the archive has it.
    switch.disable(true).await.unwrap();
    switch.close().await;
    soon(async || {
        let journal = bus.stores().journal.unwrap();
        entries(&*journal, JournalQuery::all(), Position::Last(5)).await.is_ok_and(|last| last.len() == 5)
    })
    .await;
    bus.close().await;
}
