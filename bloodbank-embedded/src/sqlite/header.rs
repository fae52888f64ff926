//! Check of a file's first bytes for an embedded bus: SQLite itself would already change a file that it opens.

use std::{
    fs::File,
    io::{ErrorKind::NotFound, Read},
    path::Path,
};

use crate::sqlite::schema::{APPLICATION_ID, VERSION};
use bloodbank_core::{Error, ErrorKind, Result};

/// Checks the header of a file; returns whether the bus has yet to be made in it.
///
/// # Errors
/// The file belongs to something else, or to a newer version.
pub(super) fn check(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    match File::open(path).and_then(|file| file.take(100).read_to_end(&mut head)) {
        Ok(0) => return Ok(true),
        Ok(_) => {}
        Err(error) if error.kind() == NotFound => return Ok(true),
        Err(error) => {
            let text = format!(
                "the embedded bus {} cannot be read; make it readable for this user, or set BLOODBANK_EMBEDDED_PATH to another file",
                path.display()
            );
            return Err(Error::new(ErrorKind::Storage, text).with_source(error));
        }
    }
    // The places of `user_version` and `application_id` in the file format of SQLite.
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let is_ours = head.starts_with(b"SQLite format 3\0") && number(68) == Some(APPLICATION_ID);
    match number(60).filter(|_| is_ours) {
        None => Err(refused(path, "is something else and was left alone")),
        Some(version) => check_version(path, version).map(|()| false),
    }
}

/// Checks that this version of the tables is understood; an earlier one is brought up to date.
pub(super) fn check_version(path: &Path, version: u32) -> Result<()> {
    if (1..=VERSION).contains(&version) {
        Ok(())
    } else {
        let what = format!(
            "was written by another version (its schema is {version}, {VERSION} is understood) and was left alone"
        );
        Err(refused(path, &what))
    }
}

fn refused(path: &Path, what: &str) -> Error {
    let text = format!(
        "{} is no embedded bus that can be opened: it {what}; set BLOODBANK_EMBEDDED_PATH to another file",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}
