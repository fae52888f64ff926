//! The files of a folder at a moment.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use chrono::{DateTime, Utc};
use ignore::{
    WalkBuilder,
    gitignore::{Gitignore, GitignoreBuilder},
    overrides::{Override, OverrideBuilder},
};

use crate::fault::Fault;

/// What is left out.
pub(super) struct Ignore {
    root: PathBuf,
    overrides: Override,
    /// Only to spare work: the walk knows them all.
    first: Gitignore,
}

impl Ignore {
    pub(super) fn new(root: &Path, globs: &[String]) -> Result<Self, Fault> {
        let mut overrides = OverrideBuilder::new(root);
        for glob in globs {
            // In overrides it is the other way round: what matches is wanted.
            overrides
                .add(&format!("!{glob}"))
                .map_err(|error| Fault::usage(format!("--ignore {glob:?} is no pattern: {error}")))?;
        }
        let overrides = overrides.build().map_err(|error| Fault::usage(error.to_string()))?;
        let mut first = GitignoreBuilder::new(root);
        // A file that is not there ignores nothing.
        let _ = first.add(root.join(".gitignore"));
        let first = first.build().unwrap_or_else(|_| Gitignore::empty());
        Ok(Self { root: root.to_owned(), overrides, first })
    }

    /// Whether a change there needs no look.
    pub(super) fn leaves_out(&self, path: &Path) -> bool {
        path.strip_prefix(&self.root).is_ok()
            && (self.first.matched_path_or_any_parents(path, false).is_ignore()
                || self.overrides.matched(path, false).is_ignore())
    }
}

/// The state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    /// When it was changed, in nanoseconds since 1970.
    pub(super) nanos: u128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let nanos = metadata.modified().ok()?.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        Some(Self { bytes: metadata.len(), nanos })
    }

    pub(super) fn time(&self) -> DateTime<Utc> {
        i64::try_from(self.nanos).map(DateTime::from_timestamp_nanos).unwrap_or_default()
    }
}

/// The files and their states.
pub(super) struct Snapshot(BTreeMap<PathBuf, Stamp>);

/// What happened to a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// `created`, `updated`, `deleted`
    pub(super) action: &'static str,
    pub(super) path: PathBuf,
    /// Its state now, or its last one.
    pub(super) stamp: Stamp,
}

impl Snapshot {
    pub(super) fn take(ignore: &Ignore) -> Self {
        let walk = WalkBuilder::new(&ignore.root).require_git(false).overrides(ignore.overrides.clone()).build();
        let files = walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
        Self(files.filter_map(|entry| Some((entry.path().to_owned(), Stamp::of(entry.path())?))).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What happened between this one and a later one, by path.
    pub(super) fn changes(&self, now: &Self) -> Vec<Change> {
        let mut changes: Vec<_> = now
            .0
            .iter()
            .filter_map(|(path, stamp)| {
                let action = match self.0.get(path) {
                    None => "created",
                    Some(before) if before != stamp => "updated",
                    Some(_) => return None,
                };
                Some(Change { action, path: path.clone(), stamp: *stamp })
            })
            .collect();
        let gone = self.0.iter().filter(|(path, _)| !now.0.contains_key(*path));
        changes.extend(gone.map(|(path, stamp)| Change { action: "deleted", path: path.clone(), stamp: *stamp }));
        changes
    }
}
