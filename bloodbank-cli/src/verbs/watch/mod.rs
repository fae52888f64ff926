//! `bb watch`.

mod place;
mod snapshot;

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use bloodbank_client::{Connection, PublishRequest};
use bloodbank_core::{
    envelope::{Source, TriggerType},
    event_id,
};
use serde_json::json;

use self::{
    place::Place,
    snapshot::{Change, IgnoreRules, Snapshot},
};
use crate::{
    args::Via,
    connect,
    error::{CliError, Result},
    linked, output,
    program_name::program_name,
    receipt::print_receipt,
    runtime,
};

/// Publish changes of files as `artifact.created`, `artifact.updated`, `artifact.deleted`
///
/// Changes that follow each other closely are one. What .gitignore names, and hidden files, are left out. The same change
/// has the same event id, whoever sees it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb watch .
  bb watch notes --ignore '*.tmp' --ignore drafts/")]
pub(crate) struct Watch {
    /// The folder, or a file
    path: PathBuf,
    /// Leave out what matches, as in .gitignore
    #[arg(long, value_name = "GLOB")]
    ignore: Vec<String>,
    /// How long a file must be left alone before its change counts, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 300)]
    debounce: u64,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<usize>,
    /// Which way to the bus
    #[arg(long, value_name = "WAY", default_value = "auto")]
    via: Via,
    /// The receipts as JSON
    #[arg(long)]
    json: bool,
}

const KEYS: [&str; 3] = ["artifact.created", "artifact.updated", "artifact.deleted"];

/// Changes without a pause are published all the same, after this many debounce times.
const MAX_DEBOUNCES: u32 = 10;

impl Watch {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(linked::require("watch", &KEYS, self.via))?;
        let root = self
            .path
            .canonicalize()
            .map_err(|error| CliError::usage(format!("{} cannot be watched: {error}", self.path.display())))?;
        let ignore = IgnoreRules::new(&root, &self.ignore)?;
        let (sender, changes) = channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading changes nothing; an error may stand for changes that were lost.
            if event.as_ref().map_or(true, |event| !event.kind.is_access()) {
                let _ = sender.send(event.map(|event| event.paths).unwrap_or_default());
            }
        })
        .map_err(|error| CliError::failed(format!("this system cannot watch files: {error}")))?;
        let mut place = Place::watch(watcher, root.clone())?;
        let mut known = Snapshot::take(&ignore);
        output::note(&format!("watching {} ({} files); Ctrl-C ends", root.display(), known.len()));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 {
            self.wait(&changes, &ignore, &mut place)?;
            let now = Snapshot::take(&ignore);
            let mut found = known.changes(&now);
            known = now;
            found.truncate(left);
            left -= found.len();
            if !found.is_empty() {
                runtime::block_on(self.publish(&found))?;
            }
        }
        Ok(())
    }

    /// Waits for a change and then until there is no more.
    fn wait(&self, changes: &Receiver<Vec<PathBuf>>, ignore: &IgnoreRules, place: &mut Place) -> Result {
        let mut counts = |paths: &[PathBuf]| {
            place.follow(paths);
            paths.is_empty() || paths.iter().any(|path| place.contains(path) && !ignore.excludes(path))
        };
        let ended = || CliError::failed("the system no longer says what changes; start it again");
        loop {
            let paths = changes.recv().map_err(|_| ended())?;
            if counts(&paths) {
                break;
            }
        }
        let debounce = Duration::from_millis(self.debounce);
        let (mut quiet, latest) = (Instant::now() + debounce, Instant::now() + debounce * MAX_DEBOUNCES);
        loop {
            let now = Instant::now();
            let until = quiet.min(latest);
            if now >= until {
                return Ok(());
            }
            match changes.recv_timeout(until - now) {
                Ok(paths) if counts(&paths) => quiet = Instant::now() + debounce,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
    }

    async fn publish(&self, changes: &[Change]) -> Result {
        let connection = connect::open(self.via).await?;
        let mut done = Ok(());
        for change in changes {
            done = self.publish_one(&connection, change).await;
            if done.is_err() {
                break;
            }
        }
        connection.close().await;
        done
    }

    async fn publish_one(&self, connection: &Connection, change: &Change) -> Result {
        let key = format!("artifact.{}", change.action);
        let uri = uri(&change.path);
        let payload = json!({
            "action": change.action,
            "kind": change.path.extension().map_or_else(|| "file".into(), |kind| kind.to_string_lossy()),
            "uri": uri,
            "title": change.path.file_name().map(|name| name.to_string_lossy()),
            "metadata": { "bytes": change.state.bytes, "modified": change.state.time() },
        });
        // The file, what happened to it, and its state then: whoever sees the same sees the same event.
        let fields = [
            ("action", Some(change.action.into())),
            ("bytes", Some(change.state.bytes.to_string().into())),
            ("modified", Some(change.state.nanos.to_string().into())),
            ("uri", Some((&*uri).into())),
        ];
        let request = PublishRequest::new(&key, &payload, Source::new(TriggerType::FileWatch, program_name()))
            .event_id(event_id::deterministic(&key, &event_id::unique_key(fields)));
        let receipt = connection.publish(&request).await?;
        print_receipt(&receipt, self.json)
    }
}

fn uri(path: &Path) -> String {
    let path = path.to_string_lossy();
    let mut uri = String::from("file://");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
