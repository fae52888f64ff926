//! The JSON Schemas of the events in a file that is kept in git, and whether the code still gets along with it.
//!
//! One line in a test is enough:
//!
//! ```no_run
//! # use bloodbank_cli::schema::{Compatibility, assert_compatible};
//! assert_compatible("events.lock.json", Compatibility::Full);
//! ```

mod change;
mod lock;
mod subset;

use std::path::Path;

use bloodbank_core::Registry;

pub use change::{Change, Compatibility};
pub use lock::{Lock, LockError, LockedEvent};

/// Compares the events that are linked into this program with those of a lock file. `schema lock` writes the file.
///
/// # Panics
/// When there is a breaking change, naming each; or when the file cannot be read.
#[track_caller]
pub fn assert_compatible(lock: impl AsRef<Path>, wanted: Compatibility) {
    let lock = Lock::read(lock.as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let changes: Vec<_> = lock
        .changes(&Lock::of(Registry::global()))
        .into_iter()
        .filter(|change| change.breaks(wanted))
        .map(|change| format!("  {change}\n"))
        .collect();
    assert!(changes.is_empty(), "the events are not {wanted} compatible with {}:\n{}", lock.place(), changes.concat());
}
