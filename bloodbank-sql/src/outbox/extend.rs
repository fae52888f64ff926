//! The outbox on the bus and on the app.

use std::{fmt, sync::Arc};

use bloodbank_core::{
    App, Bus, Event, Result,
    publish::{Cause, Destination, JsonPayload, Prepared, Publish, Untyped},
};
use futures_util::future::BoxFuture;
use sqlx_core::pool::Pool;
use uuid::Uuid;

use super::{OutboxRow, Relay, wake};
use crate::{
    database::{AsConnection, Database},
    error::storage,
};

/// The outbox on the bus: `bus.outbox(&mut transaction).publish(event)`.
pub trait BusExt {
    /// The outbox in a transaction. What is published there is published if, and only if, the transaction commits.
    ///
    /// ```no_run
    /// # use bloodbank_core::{Bus, Event};
    /// # use bloodbank_sql::BusExt;
    /// # async fn example<E: Event>(
    /// #     bus: Bus, pool: sqlx_core::pool::Pool<sqlx_sqlite::Sqlite>, placed: E,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = pool.begin().await?;
    /// // … the rows of the order …
    /// bus.outbox(&mut tx).publish(placed).header("tenant", "acme").await?;
    /// tx.commit().await?;
    /// # Ok(()) }
    /// ```
    fn outbox<'a, C: AsConnection>(&'a self, transaction: &'a mut C) -> Outbox<'a, C>;
}

impl BusExt for Bus {
    fn outbox<'a, C: AsConnection>(&'a self, transaction: &'a mut C) -> Outbox<'a, C> {
        Outbox { bus: self, destination: InTransaction::new(transaction) }
    }
}

/// The outbox in a transaction; see [`BusExt::outbox`].
#[derive(Debug)]
#[must_use = "an outbox writes what is published on it"]
pub struct Outbox<'a, C> {
    bus: &'a Bus,
    destination: InTransaction<'a, C>,
}

impl<'a, C: AsConnection> Outbox<'a, C> {
    /// Publishes the events of this value one after the other, in the order in which they were written: the next one when
    /// the one before is confirmed.
    pub fn ordered_by(mut self, order_key: impl fmt::Display) -> Self {
        self.destination.order_key = Some(order_key.to_string());
        self
    }

    /// Publishes an event when the transaction has committed; the options are those of [`Bus::publish`]. Awaiting it writes
    /// the row.
    ///
    /// `mandatory` cannot be told to the caller any more: an event that no queue receives is then parked in the outbox.
    pub fn publish<E: Event>(self, event: E) -> Publish<'a, E, InTransaction<'a, C>> {
        self.bus.publish(event).via(self.destination)
    }

    /// Publishes a JSON payload when the transaction has committed, under a key that is known only at run time; see
    /// [`Bus::publish_value`].
    pub fn publish_value(
        self,
        key: &'a str,
        payload: impl Into<JsonPayload<'a>>,
    ) -> Publish<'a, Untyped<'a>, InTransaction<'a, C>> {
        self.bus.publish_value(key, payload).via(self.destination)
    }
}

/// The outbox as the destination of a publish.
#[derive(Debug)]
pub struct InTransaction<'a, C> {
    transaction: &'a mut C,
    order_key: Option<String>,
}

impl<'a, C> InTransaction<'a, C> {
    pub(crate) fn new(transaction: &'a mut C) -> Self {
        Self { transaction, order_key: None }
    }
}

impl<'a, C: AsConnection> Destination<'a> for InTransaction<'a, C> {
    type Receipt = OutboxReceipt;

    fn send(self, _bus: &'a Bus, prepared: Prepared) -> BoxFuture<'a, Result<OutboxReceipt>> {
        let Self { transaction, order_key } = self;
        Box::pin(async move {
            let row = OutboxRow { order_key, ..OutboxRow::of(&prepared)? };
            let wanted = "write the event to the outbox; roll the transaction back";
            row.write::<C::Database>(transaction.as_connection()).await.map_err(storage(wanted))?;
            wake::written();
            Ok(OutboxReceipt { event_id: prepared.event_id(), event_type: Arc::clone(prepared.event_type()) })
        })
    }
}

/// The receipt of an event in an outbox: it is published when, and only when, the transaction commits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxReceipt {
    /// The id of the event.
    pub event_id: Uuid,
    /// The routing key that the event will be published under.
    pub event_type: Arc<str>,
}

impl Cause for OutboxReceipt {
    fn event_id(&self) -> Uuid {
        self.event_id
    }
}

/// Databases on the app: `App::new(…).outbox(pool)`.
pub trait AppExt<Provided> {
    /// Provides a pool as a state, and runs the relay of its outbox beside the subscribers. An app whose database has no
    /// tables of Bloodbank, or old ones, does not start.
    fn outbox<DB: Database>(self, pool: Pool<DB>) -> App<(Pool<DB>, Provided)>;
}

impl<Provided: 'static> AppExt<Provided> for App<Provided> {
    fn outbox<DB: Database>(self, pool: Pool<DB>) -> App<(Pool<DB>, Provided)> {
        self.state(pool.clone()).task(Relay::new(pool))
    }
}
