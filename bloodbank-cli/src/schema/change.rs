//! What changed about an event, and whom it breaks.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// Who must get along with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// This code reads what the locked one published: subscribers may be updated first.
    Backward,
    /// The locked code reads what this one publishes: publishers may be updated first.
    Forward,
    /// Both: the order does not matter.
    Full,
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backward => "backward",
            Self::Forward => "forward",
            Self::Full => "fully",
        })
    }
}

/// A breaking change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key of the event.
    pub routing_key: String,
    /// The place in the payload, as a JSON pointer; `*` stands for every item or member.
    pub pointer: String,
    /// What changed.
    pub message: String,
    /// [`Compatibility::Full`]: it breaks both ways.
    pub broken: Compatibility,
}

impl Change {
    /// Whether it breaks what is wanted.
    #[must_use]
    pub fn breaks(&self, wanted: Compatibility) -> bool {
        wanted == Compatibility::Full || self.broken == Compatibility::Full || self.broken == wanted
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = match self.broken {
            Compatibility::Backward => "backward",
            Compatibility::Forward => "forward",
            Compatibility::Full => "both ways",
        };
        write!(f, "`{}`", self.routing_key)?;
        if !self.pointer.is_empty() {
            write!(f, " at {:?}", self.pointer)?;
        }
        write!(f, ": {} (breaks {broken})", self.message)
    }
}
