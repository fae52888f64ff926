//! What a program declares beside what the broker has.

use std::fmt;

use serde::Serialize;

/// An exchange, a queue or a binding, and whether the broker has it as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// `queue`, `exchange` or `binding`, with the name: ``queue `shipping.ship` ``.
    pub item: String,
    /// What was found.
    pub found: Found,
}

/// What the broker has in place of what is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "detail")]
pub enum Found {
    /// The same.
    Equal,
    /// Nothing; declaring makes it.
    Missing,
    /// Something of that name with other properties: declaring is refused. RabbitMQ names one property at a time.
    Different(Vec<Difference>),
    /// It cannot be seen, and why.
    Unknown(String),
}

/// A property that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its name, as the broker has it.
    pub property: String,
    /// What the program declares.
    pub declared: String,
    /// What the broker has.
    pub existing: String,
}

impl Compared {
    /// Whether declaring it is refused.
    #[must_use]
    pub fn conflicts(&self) -> bool {
        matches!(self.found, Found::Different(_))
    }

    /// What helps, where something has to be done by hand.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        self.conflicts().then_some(
            "declare it as it is there, or empty it, delete it on the broker and start again: it is then made anew",
        )
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.item)?;
        match &self.found {
            Found::Equal => f.write_str("as declared"),
            Found::Missing => f.write_str("missing"),
            Found::Unknown(why) => write!(f, "not known ({why})"),
            Found::Different(differences) => {
                for (place, Difference { property, declared, existing }) in differences.iter().enumerate() {
                    let separator = if place == 0 { "" } else { ", " };
                    write!(f, "{separator}`{property}`: the broker has {existing}, this program declares {declared}")?;
                }
                Ok(())
            }
        }
    }
}
