//! Reads the arguments of a tool.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    params::clip,
    problem::{FieldError, Problem},
};

/// The arguments of a call. Reading an argument removes it; for the tools of one event, what remains is the payload.
pub(super) struct Arguments(pub(super) Map<String, Value>);

impl Arguments {
    /// Reads an argument that may be left out.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| wrong(name, &error.to_string())),
        }
    }

    /// Reads an argument that is required.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Problem> {
        self.optional(name)?.ok_or_else(|| wrong(name, "is missing"))
    }

    /// Refuses arguments that the tool does not know: what the agent meant by them would not be done.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(wrong(&clip(name), "is no argument of this tool")),
        }
    }
}

pub(super) fn wrong(name: &str, detail: &str) -> Problem {
    Problem::bad_request(format!("the argument `{name}` does not match the schema of the tool"))
        .with_errors(vec![FieldError::new(format!("/{name}"), detail)])
}
