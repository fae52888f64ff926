//! Recorded history as a test: today's subscribers handle what was published then, and what they publish is compared with what
//! was published then.
//!
//! A recording is a file of journal entries, one per line as JSON, as `bb record` and `bb history --export` write it. Every event
//! of it is given to each subscriber that subscribes to it, in order. What the subscribers publish is caught: it goes to nobody,
//! because the recording has it already. The ids of follow-ups are derived from their cause, the subscriber and their position,
//! so that it is known exactly which recorded event a follow-up of today stands for.

mod assertion;
mod difference;
mod payload;
mod run;

use std::{fs, path::Path};

use bloodbank_core::{Error, ErrorKind, Result, store::JournalEntry};

pub use self::{
    assertion::check,
    difference::{Change, Difference, Differences, FieldChange},
    run::RecordingBus,
};

/// Recorded history: events with what they led to.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    entries: Vec<JournalEntry>,
}

impl Recording {
    /// A recording of these entries, oldest first.
    #[must_use]
    pub fn new(entries: Vec<JournalEntry>) -> Self {
        Self { entries }
    }

    /// Reads a recording from a file.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] naming the file, and the line that cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| failed(path, &error.to_string()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let entries = lines.map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| failed(path, &format!("line {}: {error}", number + 1)))
        });
        Ok(Self { entries: entries.collect::<Result<_>>()? })
    }

    /// Writes the recording to a file.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] naming the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&serde_json::to_string(entry).map_err(|error| failed(path, &error.to_string()))?);
            text.push('\n');
        }
        fs::write(path, text).map_err(|error| failed(path, &error.to_string()))
    }

    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }
}

fn failed(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("the recording {} cannot be used: {why}", path.display()))
}
