//! The source of events that come over HTTP and name none.

use bloodbank_core::envelope::{Source, TriggerType};
use serde_json::{Map, Value};

use crate::auth::Caller;

/// The source of what a caller publishes: the service of the gateway, and the token of the caller where there is one.
pub(super) fn source(service: &str, caller: &Caller) -> Source {
    let mut meta = Map::from_iter([("via".to_owned(), Value::from("http"))]);
    if let Some(name) = &caller.name {
        meta.insert("client".to_owned(), Value::from(&**name));
    }
    Source { meta: Some(meta), ..Source::new(TriggerType::Hook, service) }
}
