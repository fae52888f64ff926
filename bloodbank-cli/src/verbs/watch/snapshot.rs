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

use crate::error::{CliError, Result};

/// The rules by which files are left out.
pub(super) struct IgnoreRules {
    root: PathBuf,
    overrides: Override,
    /// The rules of the topmost `.gitignore`, only to spare work: the walk knows all of them.
    gitignore: Gitignore,
}

impl IgnoreRules {
    pub(super) fn new(root: &Path, globs: &[String]) -> Result<Self> {
        let mut overrides = OverrideBuilder::new(root);
        for glob in globs {
            // In overrides it is the other way round: what matches is wanted.
            overrides
                .add(&format!("!{glob}"))
                .map_err(|error| CliError::usage(format!("--ignore {glob:?} is no pattern: {error}")))?;
        }
        let overrides = overrides.build().map_err(|error| CliError::usage(error.to_string()))?;
        let mut gitignore = GitignoreBuilder::new(root);
        // A file that is not there ignores nothing.
        let _ = gitignore.add(root.join(".gitignore"));
        let gitignore = gitignore.build().unwrap_or_else(|_| Gitignore::empty());
        Ok(Self { root: root.to_owned(), overrides, gitignore })
    }

    /// Whether a file is left out, as far as that is known without a walk.
    pub(super) fn excludes(&self, path: &Path) -> bool {
        path.strip_prefix(&self.root).is_ok()
            && (self.gitignore.matched_path_or_any_parents(path, false).is_ignore()
                || self.overrides.matched(path, false).is_ignore())
    }
}

/// The state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) bytes: u64,
    /// When the file was changed, in nanoseconds since 1970.
    pub(super) nanos: u128,
}

impl FileState {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let nanos = metadata.modified().ok()?.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        Some(Self { bytes: metadata.len(), nanos })
    }

    pub(super) fn time(&self) -> DateTime<Utc> {
        i64::try_from(self.nanos).map(DateTime::from_timestamp_nanos).unwrap_or_default()
    }
}

/// The files of a folder and their states.
pub(super) struct Snapshot(BTreeMap<PathBuf, FileState>);

/// What happened to a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// `created`, `updated`, `deleted`
    pub(super) action: &'static str,
    pub(super) path: PathBuf,
    /// The state of the file now; of a deleted one, the last.
    pub(super) state: FileState,
}

impl Snapshot {
    /// Reads the folder.
    pub(super) fn take(ignore: &IgnoreRules) -> Self {
        let walk = WalkBuilder::new(&ignore.root).require_git(false).overrides(ignore.overrides.clone()).build();
        let files = walk
            .filter_map(std::result::Result::ok)
            .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
        Self(files.filter_map(|entry| Some((entry.path().to_owned(), FileState::of(entry.path())?))).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What happened between this snapshot and a later one, by path.
    pub(super) fn changes(&self, now: &Self) -> Vec<Change> {
        let mut changes: Vec<_> = now
            .0
            .iter()
            .filter_map(|(path, state)| {
                let action = match self.0.get(path) {
                    None => "created",
                    Some(before) if before != state => "updated",
                    Some(_) => return None,
                };
                Some(Change { action, path: path.clone(), state: *state })
            })
            .collect();
        let gone = self.0.iter().filter(|(path, _)| !now.0.contains_key(*path));
        changes.extend(gone.map(|(path, state)| Change { action: "deleted", path: path.clone(), state: *state }));
        changes
    }
}
