//! What a write to a folder leaves behind that was killed: a file whose name ends in `#1`. In a cloud there is nothing like it.

use std::{
    fs::{self, DirEntry},
    path::Path,
    time::Duration,
};

use tokio::task::spawn_blocking;
use tracing::info;

use crate::{place::Place, reservation};

/// The age at which such a file is nobody's: a write is given up after some minutes.
const OLD: Duration = Duration::from_secs(3_600);

impl Place {
    /// Removes them, where this is a folder.
    pub(crate) async fn remove_leftovers(&self) {
        let Some(folder) = self.folder.clone() else { return };
        // What cannot be removed disturbs nobody.
        let _ = spawn_blocking(move || remove_below(&folder)).await;
    }
}

fn remove_below(folder: &Path) {
    let of_archive = |name: &str| name.starts_with("date=") || name == reservation::FOLDER;
    for inside in entries(folder).filter(|entry| entry.file_name().to_str().is_some_and(of_archive)) {
        for file in entries(&inside.path()).filter(is_left_over) {
            if fs::remove_file(file.path()).is_ok() {
                info!(file = %file.path().display(), "removed what a killed write left behind");
            }
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn is_left_over(file: &DirEntry) -> bool {
    let name = file.file_name();
    let is_staged = name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(name, number)| {
        (name.ends_with(".parquet") || name.ends_with(".json")) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let age = file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
    is_staged && age.is_some_and(|age| age >= OLD)
}
