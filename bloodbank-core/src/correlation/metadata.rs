//! Metadata of links, and its size limit.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

/// The largest size of metadata as JSON, in bytes.
pub const METADATA_LIMIT: usize = 64 * 1024;

/// Refuses metadata that is too large for an index.
///
/// # Errors
/// [`ErrorKind::TooLarge`] when it takes more than [`METADATA_LIMIT`] as JSON.
pub fn check_metadata(metadata: &Map<String, Value>) -> Result<()> {
    let mut room = Room(METADATA_LIMIT);
    match serde_json::to_writer(&mut room, metadata) {
        Ok(()) => Ok(()),
        Err(_) => Err(Error::new(
            ErrorKind::TooLarge,
            format!("correlation metadata takes more than {METADATA_LIMIT} bytes as JSON; put it into the event"),
        )),
    }
}

/// A writer that counts bytes and refuses those that no longer fit.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(length: usize) -> Map<String, Value> {
        // {"k":"…"} is eight bytes around the text.
        Map::from_iter([("k".to_owned(), Value::from("x".repeat(length - 8)))])
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(check_metadata(&of(METADATA_LIMIT)).is_ok());
        let error = check_metadata(&of(METADATA_LIMIT + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}
