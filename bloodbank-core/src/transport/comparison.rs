//! Comparison of the topology that a program declares with the broker's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The comparison of an exchange, a queue or a binding with what the broker has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyDiff {
    /// The kind and the name: `queue`, `exchange` or `binding`, with the name: ``queue `shipping.ship` ``.
    pub item: String,
    /// The state of the item on the broker.
    pub status: TopologyStatus,
}

/// The state of a declared item on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "detail")]
pub enum TopologyStatus {
    /// The item exists as it is declared.
    Equal,
    /// The item is missing; declaring it creates it.
    Missing,
    /// An item of that name has other properties: declaring is refused. RabbitMQ names one property at a time.
    Different(Vec<Difference>),
    /// The state cannot be seen; holds the reason.
    Unknown(String),
}

/// A property that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The name of the property, as the broker has it.
    pub property: String,
    /// The value that the program declares.
    pub declared: String,
    /// The value that the broker has.
    pub existing: String,
}

impl TopologyDiff {
    /// Whether declaring the item is refused.
    #[must_use]
    pub fn conflicts(&self) -> bool {
        matches!(self.status, TopologyStatus::Different(_))
    }

    /// The remedy, where something has to be done by hand.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        self.conflicts().then_some(
            "declare it as it is there, or empty it, delete it on the broker and start again: it is then made anew",
        )
    }
}

impl fmt::Display for TopologyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.item)?;
        match &self.status {
            TopologyStatus::Equal => f.write_str("as declared"),
            TopologyStatus::Missing => f.write_str("missing"),
            TopologyStatus::Unknown(why) => write!(f, "not known ({why})"),
            TopologyStatus::Different(differences) => {
                for (place, Difference { property, declared, existing }) in differences.iter().enumerate() {
                    let separator = if place == 0 { "" } else { ", " };
                    write!(f, "{separator}`{property}`: the broker has {existing}, this program declares {declared}")?;
                }
                Ok(())
            }
        }
    }
}
