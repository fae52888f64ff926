//! The way to the bus: straight, or through the gateway that has its file open.

mod client;
mod record;

use std::time::Duration;

use bloodbank_core::{Bus, ErrorKind, ExecuteError, Settings, envelope::Source};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::{
    client::Client,
    record::{Record, default_file},
};
use crate::{bus, fault::Fault, output};

/// Which way to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Via {
    /// Through the gateway where one runs on the file of the bus, otherwise straight
    #[default]
    Auto,
    /// Through the gateway at HTTP_HOST and HTTP_PORT, or the one that runs on the file of the bus
    Http,
    /// Straight to the bus
    Bus,
}

/// An open way to the bus.
pub(crate) enum Door {
    Bus(Bus),
    Gateway(Client),
}

/// An event on its way.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) key: &'a str,
    pub(crate) payload: &'a Value,
    pub(crate) parents: &'a [Uuid],
    pub(crate) event_id: Option<Uuid>,
    pub(crate) timestamp: Option<DateTime<Utc>>,
    pub(crate) source: Source,
}

/// What was confirmed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Published {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) unrouted: bool,
}

impl Door {
    /// Opens it; says so where the bus is one in memory that ends with this command.
    pub(crate) async fn open(via: Via) -> Result<Self, Fault> {
        let settings = Settings::load()?;
        if let Some(client) = Client::find(&settings, via).await? {
            return Ok(Self::Gateway(client));
        }
        if bus::is_in_memory(&settings) {
            output::note(IN_MEMORY);
        }
        Ok(Self::Bus(Bus::connect(settings).await?))
    }

    /// Opens it where something outlives this process; `None`: nothing does.
    pub(crate) async fn open_lasting(via: Via) -> Result<Option<Self>, Fault> {
        let settings = Settings::load()?;
        if let Some(client) = Client::find(&settings, via).await? {
            return Ok(Some(Self::Gateway(client)));
        }
        if bus::is_in_memory(&settings) {
            return Ok(None);
        }
        Ok(Some(Self::Bus(Bus::connect(settings).await?)))
    }

    /// Publishes an event; resolves when it is confirmed.
    pub(crate) async fn publish(&self, draft: &Draft<'_>) -> Result<Published, Fault> {
        match self {
            Self::Gateway(client) => client.publish(draft).await,
            Self::Bus(bus) => {
                let receipt = publish(bus, draft).await?;
                let event_type = receipt.event_type.to_string();
                Ok(Published { event_id: receipt.event_id, event_type, unrouted: receipt.unrouted })
            }
        }
    }

    /// Publishes a command and waits for its reply; `null` where it has none.
    pub(crate) async fn execute(&self, draft: &Draft<'_>, timeout: Duration) -> Result<Value, Fault> {
        match self {
            Self::Gateway(client) => client.execute(draft, timeout).await,
            Self::Bus(bus) => match publish(bus, draft).execute(timeout).await {
                Err(ExecuteError::Bus(error)) if error.kind() == ErrorKind::Unrouted => Err(nobody_executes(draft.key)),
                reply => Ok(json!(reply?)),
            },
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Bus(bus) => bus.close().await,
            Self::Gateway(_) => {}
        }
    }
}

/// A command without a queue.
fn nobody_executes(key: &str) -> Fault {
    Fault::failed(format!("no queue receives `{key}`; start its executor, for example with `work`"))
}

fn publish<'a>(bus: &'a Bus, draft: &Draft<'a>) -> bloodbank_core::publish::PublishValue<'a> {
    let mut publish = bus.publish_value(draft.key, draft.payload);
    publish = publish.causes(draft.parents.iter()).source(draft.source.clone());
    if let Some(event_id) = draft.event_id {
        publish = publish.event_id(event_id);
    }
    if let Some(timestamp) = draft.timestamp {
        publish = publish.timestamp(timestamp);
    }
    publish
}

const IN_MEMORY: &str = "this bus is in memory and ends with this command; start `serve`, or set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file";
