//! An archiver that is killed leaves no gap and no duplicate, wherever it is killed.
//!
//! `BLOODBANK_TEST_KILLS` says how often it is killed at a random moment, and `BLOODBANK_TEST_EVENTS` how many events there are.

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bloodbank::{
    Bus, Settings,
    prelude::*,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use bloodbank_archive::Archiver;
use futures_util::StreamExt;
use uuid::Uuid;

use crate::{
    Folder, assert_same, entries, lines,
    segments::of_events,
    troubled_store::{Trouble, TroubledStore},
    whole,
};

const CHILD: &str = "BLOODBANK_TEST_ARCHIVE_FOLDER";
const KILL: &str = "BLOODBANK_TEST_ARCHIVE_KILL";
/// The events of a segment.
const SEGMENT: usize = 40;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "ledger.page.kept")]
struct Kept {
    page: u64,
}

pub(crate) fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

async fn open(file: &Path) -> Bus {
    let vars = [("BLOODBANK_EMBEDDED_PATH", file.to_str().unwrap())];
    Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap()
}

/// Publishes events, and returns their ids in the order of the journal.
async fn publish(file: &Path, count: u64) -> Vec<Uuid> {
    let bus = open(file).await;
    let publishing = (0..count).map(|page| bus.publish(Kept { page }).into_future());
    let ids = futures_util::stream::iter(publishing).buffered(50);
    let ids = ids.map(|receipt| receipt.unwrap().event_id).collect().await;
    bus.close().await;
    ids
}

/// This program again, as the archiver that is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test of this file starts it"]
async fn child() {
    let Ok(path) = env::var(CHILD) else { return };
    let trouble = match env::var(KILL).ok().as_deref().and_then(|kill| kill.split_once(' ')) {
        Some((at, is_done)) => Trouble::Kills { at: at.parse().unwrap(), is_done: is_done == "after" },
        None => Trouble::Slow(Duration::from_millis(20)),
    };
    let folder = Path::new(&path);
    let root = bloodbank_archive::object_store::path::Path::from_absolute_path(folder).unwrap();
    let store = std::sync::Arc::new(TroubledStore::new(trouble));
    let archive = bloodbank_archive::Archive::in_store(store, root, "of the child");
    let bus = open(&folder.with_extension("db")).await;
    // Segments end elsewhere each time, where nothing is reserved.
    let limits = of_events(SEGMENT + fastrand::usize(0..9));
    Archiver::new(archive).limits(limits).run_once(&bus).await.unwrap();
}

fn start_child(folder: &Path, kill: Option<(u64, &str)>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "kills::child", "--ignored", "--nocapture"]).env_clear().env(CHILD, folder);
    if let Some((at, when)) = kill {
        command.env(KILL, format!("{at} {when}"));
    }
    command.current_dir(env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// What is archived is what was published.
async fn check(folder: &Folder, file: &Path, published: &[Uuid]) {
    let bus = open(file).await;
    let limits = of_events(SEGMENT);
    Archiver::new(folder.archive.clone()).limits(limits).run_once(&bus).await.unwrap();
    let live = bus.live_journal().unwrap();
    let kept: Vec<JournalEntry> = entries(&*live, JournalQuery::all(), Position::Last(published.len())).await.unwrap();
    let ids: Vec<_> = entries(&folder.archive, JournalQuery::all(), Position::Start).await.unwrap();
    let ids: Vec<_> = ids.iter().filter_map(JournalEntry::event_id).collect();
    assert_eq!(ids, published, "left: the archive, right: what was confirmed");
    assert_same(&whole(&folder.archive).await, &lines(&kept));
    assert_eq!(folder.archive.status().await.unwrap().missing, []);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archiver_that_is_killed_before_or_behind_each_write_leaves_no_gap_and_no_duplicate() {
    let folder = Folder::new();
    let file = folder.folder.path().with_extension("db");
    let published = publish(&file, 600).await;
    let mut tips = Vec::new();
    // A write of a segment, and one of its reservation before it.
    for at in 0..3 {
        for when in ["before", "after"] {
            let status = start_child(folder.folder.path(), Some((at, when))).wait().unwrap();
            assert!(!status.success(), "it was not killed {when} write {at}");
            tips.push(folder.archive.tip().await.unwrap());
        }
    }
    println!("after each kill, the archive ended at {tips:?}");
    assert!(tips.last().unwrap().is_some(), "nothing was archived before the end");
    check(&folder, &file, &published).await;
    std::fs::remove_file(file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archiver_that_is_killed_at_any_moment_leaves_no_gap_and_no_duplicate() {
    let (kills, events) = (number("BLOODBANK_TEST_KILLS", 10), number("BLOODBANK_TEST_EVENTS", 4_000));
    let folder = Folder::new();
    let file = folder.folder.path().with_extension("db");
    let mut published = Vec::new();
    let mut tips = Vec::new();
    for kill in 0..kills {
        let count = events * (kill + 1) / kills - published.len() as u64;
        published.extend(publish(&file, count).await);
        let mut child = start_child(folder.folder.path(), None);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1_500))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        tips.push(folder.archive.tip().await.unwrap().unwrap_or_default());
    }
    println!("{kills} kills; after each, the archive of {events} events ended at {tips:?}");
    check(&folder, &file, &published).await;
    std::fs::remove_file(file).unwrap();
}
