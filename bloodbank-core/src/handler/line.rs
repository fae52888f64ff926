//! The line of an event whose key is parked (`retry(park_key)`).

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    error::{Error, ErrorKind, Result},
    handler::Context,
    message::names,
    store::{ParkedEvent, ParkedKeys, Place},
};

/// Finds the key of an event; `None`: it cannot be read.
pub(crate) type KeyOf = Arc<dyn Fn(&Context) -> Option<String> + Send + Sync>;

/// The time that the store may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The lines of one subscriber.
pub(crate) struct Lines {
    pub(crate) store: Arc<dyn ParkedKeys>,
    pub(crate) key_of: KeyOf,
}

/// The line that an event belongs to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Line {
    store: Arc<dyn ParkedKeys>,
    event: ParkedEvent,
}

impl Line {
    /// The line of an event; `None`: it cannot be read, and has none.
    pub(super) fn of(context: &Context, lines: &Lines) -> Option<Self> {
        // An event that was parked keeps its line, and so does one that takes the place of another.
        let key = context.headers().text(names::PARKED_KEY).map(str::to_owned);
        let key = key.or_else(|| (lines.key_of)(context))?;
        let place = context.headers().text(names::PARKED_PLACE).and_then(|id| id.parse().ok());
        let event_id = place.or_else(|| context.own_id())?;
        let event = ParkedEvent { queue: context.queue().into(), key: key.into(), event_id };
        Some(Self { store: Arc::clone(&lines.store), event })
    }

    pub(crate) fn key(&self) -> &str {
        &self.event.key
    }

    /// See [`ParkedKeys::join`].
    pub(crate) async fn join(&self) -> Result<Place> {
        self.ask(self.store.join(&self.event)).await
    }

    /// See [`ParkedKeys::park`].
    pub(crate) async fn park(&self) -> Result<u64> {
        self.ask(self.store.park(&self.event)).await
    }

    /// See [`ParkedKeys::leave`].
    pub(crate) async fn leave(&self) -> Result<()> {
        self.ask(self.store.leave(&self.event)).await
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(DEADLINE, call).await.unwrap_or_else(|_| {
            let store = self.store.describe();
            Err(Error::new(ErrorKind::Storage, format!("{store} does not answer within {DEADLINE:?}")))
        })
    }
}
