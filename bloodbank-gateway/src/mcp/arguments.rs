//! Taking the arguments of a tool apart.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Problem, ProblemFault};

/// The arguments of a call. What is taken out is gone: what stays is the payload of the tools for one event.
pub(super) struct Arguments(pub(super) Map<String, Value>);

impl Arguments {
    /// An argument that may be left out.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| wrong(name, &error.to_string())),
        }
    }

    /// An argument that must be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Problem> {
        self.optional(name)?.ok_or_else(|| wrong(name, "is missing"))
    }
}

fn wrong(name: &str, detail: &str) -> Problem {
    let fault = ProblemFault { pointer: format!("/{name}"), detail: detail.to_owned() };
    Problem::bad_request(format!("the argument `{name}` is not as the schema of the tool says"))
        .with_errors(vec![fault])
}
