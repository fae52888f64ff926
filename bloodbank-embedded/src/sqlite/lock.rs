//! One process at a time: a lock on a file beside the bus. The system lets go of it with the process, however that ends.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::sqlite::{BUSY_TIMEOUT, sibling};
use bloodbank_core::{Error, ErrorKind, Result};

/// Held as long as it exists.
pub(super) struct FileLock {
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl FileLock {
    /// Waits a moment for a process that is about to end.
    pub(super) fn acquire(bus: &Path) -> Result<Self> {
        let path = sibling(bus, "-lock");
        let is_new = !path.exists();
        let failed = |error: io::Error| {
            Error::new(
                ErrorKind::Storage,
                format!(
                    "the embedded bus {} cannot be locked; make its folder writable for this user, or set BLOODBANK_EMBEDDED_PATH to another file",
                    bus.display()
                ),
            )
            .with_source(error)
        };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let deadline = Instant::now() + BUSY_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file, path, is_new }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        ErrorKind::Storage,
                        format!(
                            "the embedded bus {} cannot be opened: another process has it open; stop it, or set BLOODBANK_EMBEDDED_PATH to another file",
                            bus.display()
                        ),
                    ));
                }
            }
        }
    }

    /// Lets go of a lock on what turned out to be no bus, and leaves nothing behind. Not for a bus: somebody who waits for
    /// the removed file would believe to be alone.
    pub(super) fn remove(self) {
        if self.is_new {
            drop(fs::remove_file(&self.path));
        }
        drop(self.file);
    }
}
