//! Checks for contradictions between declarations that no single compilation can see.

use std::{collections::HashMap, fmt};

use crate::{
    error::{Error, ErrorKind, Result},
    event::Location,
    registry::Registry,
    routing,
};

/// The result of [`Registry::check`].
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The contradictions that were found.
    pub faults: Vec<Conflict>,
}

/// A contradiction between declarations, as a sentence with their locations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict(pub String);

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Report {
    /// Returns an error that names every contradiction, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Registry`].
    pub fn into_result(self) -> Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
        Err(Error::new(ErrorKind::Registry, faults.join("; ")))
    }
}

impl Registry {
    /// Looks for two events under one key, keys with placeholders that can collide, and two executors of one command.
    #[must_use]
    pub fn check(&self) -> Report {
        let mut faults = Vec::new();
        for pair in self.events.windows(2) {
            let [one, other] = pair else { continue };
            if one.routing_key() == other.routing_key() {
                faults.push(collision(
                    &format!("two events have the routing key `{}`", one.routing_key()),
                    (one.type_path(), one.location()),
                    (other.type_path(), other.location()),
                ));
            }
        }
        for template in &self.templates {
            for event in &self.events {
                let one_of_two_templates =
                    routing::is_template(event.routing_key()) && event.routing_key() <= template.routing_key();
                if !one_of_two_templates
                    && event.routing_key() != template.routing_key()
                    && routing::overlaps(template.routing_key(), event.routing_key())
                {
                    faults.push(collision(
                        &format!(
                            "routing keys `{}` and `{}` can be the same",
                            template.routing_key(),
                            event.routing_key()
                        ),
                        (template.type_path(), template.location()),
                        (event.type_path(), event.location()),
                    ));
                }
            }
        }
        let mut executors: HashMap<&str, &Location> = HashMap::new();
        for command in &self.commands {
            let key = command.declaration().routing_key;
            if let Some(other) = executors.insert(key, command.location()) {
                faults.push(Conflict(format!(
                    "two executors for command `{key}`: at {other} and at {}; remove one",
                    command.location()
                )));
            }
        }
        Report { faults }
    }
}

fn collision(what: &str, one: (&str, &Location), other: (&str, &Location)) -> Conflict {
    Conflict(format!("{what}: `{}` at {} and `{}` at {}; rename one", one.0, one.1, other.0, other.1))
}
