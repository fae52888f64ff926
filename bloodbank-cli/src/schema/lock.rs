//! The lock file.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use bloodbank_client::kind_name;
use bloodbank_core::Registry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Compatibility, subset};

/// The format of the file.
const VERSION: u32 = 1;

/// The events of a program as data: what consumers of its events rely on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    version: u32,
    /// By key as declared.
    pub events: BTreeMap<String, LockedEvent>,
    #[serde(skip)]
    place: PathBuf,
}

/// An event as it was when it was locked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedEvent {
    /// `event`, `command` or `failure`.
    pub kind: String,
    /// The fields of `id(…)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_fields: Vec<String>,
    /// The key of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The keys of older versions that its subscribers still receive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// The JSON Schema of the payload.
    pub schema: Value,
}

/// Why a lock file cannot be used.
#[derive(Debug)]
pub enum LockError {
    /// There is none.
    Missing(PathBuf),
    /// It cannot be read, and why.
    Unreadable(PathBuf, String),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "there is no {}; `schema lock` writes it", path.display()),
            Self::Unreadable(path, why) => {
                write!(f, "{} cannot be read: {why}; restore it from git", path.display())
            }
        }
    }
}

impl std::error::Error for LockError {}

impl Lock {
    /// The events that are linked into a program.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let events = registry.events().iter().map(|event| {
            let declaration = event.declaration();
            let locked = LockedEvent {
                kind: kind_name(event.kind()).to_owned(),
                id_fields: declaration.id_fields.iter().map(|field| (*field).to_owned()).collect(),
                reply: declaration.reply.map(str::to_owned),
                supersedes: declaration.received_keys().skip(1).map(str::to_owned).collect(),
                schema: event.schema().to_value(),
            };
            (event.routing_key().to_owned(), locked)
        });
        Self { version: VERSION, events: events.collect(), place: PathBuf::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let unreadable = |why: String| LockError::Unreadable(path.to_owned(), why);
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LockError::Missing(path.to_owned()),
            _ => unreadable(error.to_string()),
        })?;
        let mut lock: Self = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if lock.version != VERSION {
            return Err(unreadable(format!("its format is {}, this program reads {VERSION}", lock.version)));
        }
        lock.place = path.to_owned();
        Ok(lock)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text)
    }

    /// Where it was read.
    pub(crate) fn place(&self) -> impl fmt::Display {
        self.place.display()
    }

    /// Every breaking change from this one to another, by key.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, before) in &self.events {
            let change = |pointer: String, message: String, broken| Change {
                routing_key: key.clone(),
                pointer,
                message,
                broken,
            };
            let Some(now) = new.events.get(key) else {
                let heir = new.events.iter().find(|(_, event)| event.supersedes.contains(key));
                changes.push(match heir {
                    // Its subscribers receive the old one, too; but those of the old one do not receive the new one.
                    Some((heir, _)) => change(
                        String::new(),
                        format!("is superseded by `{heir}`, which the locked subscribers do not receive"),
                        Compatibility::Forward,
                    ),
                    None => change(
                        String::new(),
                        "is gone; keep it, or declare what `supersedes` it".to_owned(),
                        Compatibility::Full,
                    ),
                });
                continue;
            };
            let was = |what: &str, before: &str, now: &str| format!("{what} was {before}, is {now}");
            if before.kind != now.kind {
                changes.push(change(String::new(), was("its kind", &before.kind, &now.kind), Compatibility::Full));
            }
            if before.id_fields != now.id_fields {
                let fields = |fields: &[String]| {
                    if fields.is_empty() { "random".to_owned() } else { format!("made from {}", fields.join(", ")) }
                };
                changes.push(change(
                    String::new(),
                    was("its id", &fields(&before.id_fields), &fields(&now.id_fields)),
                    Compatibility::Full,
                ));
            }
            if before.reply != now.reply {
                let reply =
                    |reply: &Option<String>| reply.as_ref().map_or_else(|| "none".to_owned(), |key| format!("`{key}`"));
                changes.push(change(
                    String::new(),
                    was("its reply", &reply(&before.reply), &reply(&now.reply)),
                    Compatibility::Full,
                ));
            }
            for (pointer, message) in subset::gaps(&before.schema, &now.schema) {
                changes.push(change(
                    pointer,
                    format!("{message}: this code does not read what the locked one publishes"),
                    Compatibility::Backward,
                ));
            }
            for (pointer, message) in subset::gaps(&now.schema, &before.schema) {
                changes.push(change(
                    pointer,
                    format!("{message}: the locked code does not read what this one publishes"),
                    Compatibility::Forward,
                ));
            }
        }
        changes
    }

    /// The keys of events that are not in this one yet.
    pub(crate) fn missing<'a>(&self, new: &'a Self) -> Vec<&'a str> {
        new.events.keys().filter(|key| !self.events.contains_key(*key)).map(String::as_str).collect()
    }
}
