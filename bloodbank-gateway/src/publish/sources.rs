//! The sources of events that come over HTTP and name none.

use std::{collections::HashMap, sync::Arc};

use bloodbank_core::{
    Bus,
    envelope::{Source, TriggerType, WrittenSource},
};
use serde_json::{Map, Value};

use crate::auth::{Caller, Tokens};

/// The source of whoever has a token, written once, and that of everybody else.
pub(crate) struct Sources {
    named: HashMap<Arc<str>, WrittenSource>,
    nobody: WrittenSource,
}

impl Sources {
    pub(crate) fn new(bus: &Bus, tokens: &Tokens) -> Self {
        let service = bus.settings().service_name.as_str();
        Self {
            named: tokens.names().map(|name| (Arc::clone(name), source(service, Some(name)))).collect(),
            nobody: source(service, None),
        }
    }

    /// That of a caller, who has a name only from a token.
    pub(super) fn of(&self, caller: &Caller) -> WrittenSource {
        let named = caller.name.as_ref().and_then(|name| self.named.get(name));
        named.unwrap_or(&self.nobody).clone()
    }
}

fn source(service: &str, client: Option<&str>) -> WrittenSource {
    let mut meta = Map::from_iter([("via".to_owned(), Value::from("http"))]);
    if let Some(name) = client {
        meta.insert("client".to_owned(), Value::from(name));
    }
    Source { meta: Some(meta), ..Source::new(TriggerType::Hook, service) }.into()
}
