//! Operations of the OpenAPI document: what an endpoint takes and what it answers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::auth::Access;

/// Statuses with which the server refuses a request before an endpoint sees it, without a problem document.
const SERVER_REFUSALS: [(u16, &str); 2] = [(414, "The address is too long."), (431, "The headers are too large.")];
/// Statuses with which the guard refuses a request to any endpoint: foreign origin, timeout, too many requests.
const GUARD_REFUSALS: [u16; 3] = [403, 408, 503];

/// The description of an endpoint in the OpenAPI document: an Operation Object.
///
/// The refusals that every endpoint has in common need not be listed: the gateway adds them.
///
/// ```
/// use bloodbank_gateway::Operation;
/// use serde_json::json;
///
/// let operation = Operation::new("ping", "Answers with `pong`")
///     .response(200, json!({ "description": "The answer.", "content": { "text/plain": { "schema": { "type": "string" } } } }))
///     .problems([400]);
/// # let _ = operation;
/// ```
#[derive(Debug, Clone)]
pub struct Operation {
    fields: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
    problems: BTreeSet<u16>,
}

impl Operation {
    /// Describes an operation by its unique id and a summary of one line.
    #[must_use]
    pub fn new(id: impl Into<String>, summary: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("operationId".to_owned(), id.into().into());
        fields.insert("summary".to_owned(), summary.into().into());
        Self { fields, parameters: Vec::new(), responses: Map::new(), problems: BTreeSet::new() }
    }

    /// Explains the operation in more than one line, in Markdown.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.fields.insert("description".to_owned(), text.into().into());
        self
    }

    /// Groups the operation with others that have the same tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.fields.insert("tags".to_owned(), json!([tag.into()]));
        self
    }

    /// Adds a Parameter Object of OpenAPI.
    #[must_use]
    pub fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Requires a body; `content` maps media types to Media Type Objects of OpenAPI. It may be refused because it cannot be read,
    /// is too large, or has two meanings.
    #[must_use]
    pub fn body(mut self, content: Value) -> Self {
        self.problems.extend([400, 413, 422]);
        self.fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        self
    }

    /// Adds a Response Object of OpenAPI for a status.
    #[must_use]
    pub fn response(mut self, status: u16, response: Value) -> Self {
        self.responses.insert(status.to_string(), response);
        self
    }

    /// Adds a response of JSON for a status.
    #[must_use]
    pub fn json(self, status: u16, description: &str, schema: Value) -> Self {
        let content = json!({ "application/json": { "schema": schema } });
        self.response(status, json!({ "description": description, "content": content }))
    }

    /// Adds the statuses of refusals, which are answered as `application/problem+json`.
    #[must_use]
    pub fn problems(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// The Parameter Objects of the operation, or references to them.
    pub(crate) fn declared_parameters(&self) -> &[Value] {
        &self.parameters
    }

    pub(crate) fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// The Operation Object, with the refusals of the guard and the server; `needs_token`: of a gateway that has tokens.
    pub(crate) fn into_value(self, access: Access, needs_token: bool) -> Value {
        let Self { mut fields, parameters, responses, mut problems } = self;
        problems.extend(GUARD_REFUSALS);
        if needs_token && access.needs_token() {
            problems.insert(401);
        } else if needs_token {
            fields.insert("security".to_owned(), json!([]));
        }
        if !parameters.is_empty() {
            fields.insert("parameters".to_owned(), parameters.into());
        }
        let mut all: Map<_, _> = problems
            .into_iter()
            .map(|status| (status.to_string(), component("responses", "Problem")))
            .chain(SERVER_REFUSALS.map(|(status, text)| (status.to_string(), json!({ "description": text }))))
            .collect();
        // What the endpoint says about a status comes before what all have in common.
        all.extend(responses);
        fields.insert("responses".to_owned(), all.into());
        fields.into()
    }
}

/// A reference to a component of the document.
pub(crate) fn component(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
