//! The source of events that come over HTTP.

use bloodbank_core::envelope::{Source, TriggerType};
use serde_json::{Map, Value};

use crate::auth::Caller;

/// The source of what a caller publishes: what the request says, otherwise the service of the gateway with the address of the
/// client as the host, as on the Python side. The name of the token stands in it whatever the request says.
pub(crate) fn source(said: Option<Source>, service: &str, caller: &Caller) -> Source {
    let mut source = said.unwrap_or_else(|| {
        let meta = Map::from_iter([("via".to_owned(), Value::from("http"))]);
        let mut source = Source::new(TriggerType::Hook, caller.source.as_deref().unwrap_or(service));
        source.host = caller.address.map_or(source.host, |address| address.to_string());
        Source { meta: Some(meta), ..source }
    });
    if let Some(name) = &caller.name {
        source.meta.get_or_insert_default().insert("client".to_owned(), Value::from(&**name));
    }
    source
}
