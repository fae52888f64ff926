//! The place that is watched: a name, whatever it stands for at the time.

use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::error::{CliError, Result};

/// A file or a folder by its name. What is saved atomically, or made again, is another file under the same name, which only
/// the folder around it tells.
pub(super) struct Place {
    watcher: RecommendedWatcher,
    root: PathBuf,
}

impl Place {
    pub(super) fn watch(watcher: RecommendedWatcher, root: PathBuf) -> Result<Self> {
        let mut place = Self { watcher, root };
        let around = place.root.parent().map(Path::to_owned);
        let watched = around.map_or(Ok(()), |around| place.watcher.watch(&around, RecursiveMode::NonRecursive));
        watched.and_then(|()| place.watch_within()).map_err(|error| {
            CliError::failed(format!(
                "{} cannot be watched: {error}; raise fs.inotify.max_user_watches, or watch less",
                place.root.display()
            ))
        })?;
        Ok(place)
    }

    /// Watches what is within a folder; of a file, the folder around it says everything.
    fn watch_within(&mut self) -> notify::Result<()> {
        if self.root.is_dir() { self.watcher.watch(&self.root, RecursiveMode::Recursive) } else { Ok(()) }
    }

    /// Goes on with what stands under the name now, after a change of these paths.
    pub(super) fn follow(&mut self, changed: &[PathBuf]) {
        if changed.contains(&self.root) {
            // What is gone comes back with a change of its own.
            let _ = self.watcher.unwatch(&self.root);
            let _ = self.watch_within();
        }
    }

    /// Whether a path is the place or within it.
    pub(super) fn contains(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }
}
