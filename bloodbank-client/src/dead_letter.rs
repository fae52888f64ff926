//! What is done with dead letters, and how a gateway is asked for it.

use bloodbank_core::{dead_letter::Filter, routing::BindingPattern};
use chrono::DateTime;

/// What is done with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepAction {
    /// They go back to the subscriber that gave them up.
    Redrive,
    /// They are dropped for good.
    Discard,
}

impl SweepAction {
    /// The name of the action at the gateway: `redrive` or `discard`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Discard => "discard",
        }
    }
}

/// A filter in the query of a gateway that does something with what the filter selects: one without a condition says that
/// all are meant.
pub(crate) fn sweep_query(filter: &Filter) -> Vec<(&'static str, String)> {
    let mut query = query(filter);
    if query.is_empty() {
        query.push(("all", "true".to_owned()));
    }
    query
}

/// A filter in the query of a gateway.
pub(crate) fn query(filter: &Filter) -> Vec<(&'static str, String)> {
    let Filter { handles, event_type, reason, error, since, before, decodes, limit } = filter;
    let mut query: Vec<_> = handles.iter().map(|handle| ("id", handle.to_string())).collect();
    let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
    add("type", event_type.as_ref().map(BindingPattern::to_string));
    add("reason", reason.clone());
    add("error", error.clone());
    add("since", since.as_ref().map(DateTime::to_rfc3339));
    add("before", before.as_ref().map(DateTime::to_rfc3339));
    add("readable", decodes.map(|decodes| decodes.to_string()));
    add("limit", limit.map(|limit| limit.to_string()));
    query
}
