//! The archive: what is written comes back, whoever is killed, slow, or there twice.
#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]

mod conformance;
mod damage;
mod floor;
mod given;
mod kills;
mod ledger;
mod leftovers;
mod other_readers;
#[cfg(feature = "s3")]
mod s3;
mod segments;
mod stream;
mod troubled_store;
mod troubles;

use std::sync::Arc;

use bloodbank::{
    Result,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use bloodbank_archive::Archive;
use futures_util::TryStreamExt;
use tempfile::TempDir;

/// An archive in a folder of its own.
struct Folder {
    folder: TempDir,
    archive: Archive,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path().to_str().unwrap()).unwrap();
        Self { folder, archive }
    }

    /// The files of the segments below the folder, in the order of their offsets.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = Vec::new();
        for day in std::fs::read_dir(self.folder.path()).unwrap().map(|day| day.unwrap().path()) {
            let name = day.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("date=") {
                let inside =
                    std::fs::read_dir(&day).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
                files.extend(inside.map(|file| format!("{name}/{file}")));
            }
        }
        files.sort_by_key(|file| file.split('/').next_back().unwrap().to_owned());
        files
    }
}

async fn entries(journal: &dyn Journal, query: JournalQuery, from: Position) -> Result<Vec<JournalEntry>> {
    journal.read(query, from).try_collect().await
}

async fn offsets(journal: &dyn Journal, query: JournalQuery, from: Position) -> Vec<u64> {
    entries(journal, query, from).await.unwrap().iter().map(|entry| entry.offset).collect()
}

/// Everything that a journal has, each entry as its line of JSON and the bytes of its body.
async fn whole(journal: &dyn Journal) -> Vec<(String, Vec<u8>)> {
    lines(&entries(journal, JournalQuery::all(), Position::Start).await.unwrap())
}

fn lines(entries: &[JournalEntry]) -> Vec<(String, Vec<u8>)> {
    let line = |entry: &JournalEntry| (serde_json::to_string(entry).unwrap(), entry.message.body.to_vec());
    entries.iter().map(line).collect()
}

/// Which ones differ; nothing where they are the same.
fn assert_same(left: &[(String, Vec<u8>)], right: &[(String, Vec<u8>)]) {
    assert_eq!(left.len(), right.len(), "left: what is read, right: what was published");
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right);
    }
}

fn shared(journal: impl Journal) -> Arc<dyn Journal> {
    Arc::new(journal)
}
