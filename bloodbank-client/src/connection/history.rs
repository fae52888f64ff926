//! The events that the bus remembers, whichever way to it is open.

use std::sync::Arc;

use bloodbank_core::{
    Settings,
    routing::BindingPattern,
    store::{Journal, JournalQuery, Position},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;

use super::Connection;
use crate::{
    error::{ClientError, Result},
    gateway::GatewayJournal,
};

impl Connection {
    /// The journal of the bus.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] where the bus keeps none, with what keeps one. A gateway is asked when the journal is read.
    pub fn journal(&self) -> Result<Arc<dyn Journal>> {
        match self {
            Self::Gateway(gateway) => Ok(Arc::new(GatewayJournal::new(gateway.clone()))),
            Self::Bus(bus) => bus.stores().journal.ok_or_else(|| {
                let remedy = match bus.transport().system() {
                    "rabbitmq" => "`topology journal enable` switches one on",
                    _ => "one in a file does: set BLOODBANK_EMBEDDED_PATH",
                };
                ClientError::Invalid(format!("this bus keeps no journal; {remedy}"))
            }),
        }
    }

    /// The envelopes of the last events that match a pattern, at most so many of those published since a time, and until another
    /// one, oldest first.
    ///
    /// # Errors
    /// Like [`Connection::journal`]; otherwise when neither bus nor gateway answers.
    pub async fn history(
        &self,
        settings: &Settings,
        pattern: &BindingPattern,
        since: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
        most: usize,
    ) -> Result<Vec<Bytes>> {
        let mut query = JournalQuery::all().pattern(pattern.clone()).exchange(&*settings.exchange_name).since(since);
        query.until = until;
        let entries = self.journal()?.read(query, Position::Last(most));
        Ok(entries.map_ok(|entry| entry.message.body).try_collect().await?)
    }
}
