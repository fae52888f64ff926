//! The source of events that come over HTTP.

use bloodbank_core::envelope::{Source, TriggerType};
use serde_json::{Map, Value};

use crate::auth::Caller;

/// The source of what a caller publishes: what the request says, otherwise the service of the gateway. The name of the
/// token stands in it whatever the request says.
pub(super) fn source(said: Option<Source>, service: &str, caller: &Caller) -> Source {
    let mut source = said.unwrap_or_else(|| {
        let meta = Map::from_iter([("via".to_owned(), Value::from("http"))]);
        Source { meta: Some(meta), ..Source::new(TriggerType::Hook, caller.source.as_deref().unwrap_or(service)) }
    });
    if let Some(name) = &caller.name {
        source.meta.get_or_insert_default().insert("client".to_owned(), Value::from(&**name));
    }
    source
}
