//! The row of an event, for `sqlx` and for other libraries.

use std::time::Duration;

use bloodbank_core::{Error, ErrorKind, Result, publish::Prepared};
use uuid::Uuid;

use super::{millis, wake};
use crate::database::{Database, Dialect, Value};

/// The statement that writes a row of the outbox, with the fields of [`OutboxRow`] as its parameters, in order. It is the
/// same for PostgreSQL and SQLite.
pub const INSERT: &str =
    "INSERT INTO bloodbank_outbox (event_id, event_type, message, order_key) VALUES ($1, $2, $3, $4)";

/// The row of an event in the outbox: what a program writes that uses another library than `sqlx`.
///
/// ```no_run
/// # use bloodbank_core::{Bus, Event};
/// # use bloodbank_sql::outbox::{INSERT, OutboxRow};
/// # fn execute(statement: &str, parameters: &[&dyn std::fmt::Debug]) {}
/// # fn example<E: Event>(bus: Bus, placed: E) -> bloodbank_core::Result<()> {
/// let prepared = bus.publish(placed).header("tenant", "acme").prepare()?;
/// let OutboxRow { event_id, event_type, message, order_key } = OutboxRow::of(&prepared)?;
/// // In the transaction of the effect. PostgreSQL takes the id as `uuid`, SQLite as text.
/// execute(INSERT, &[&event_id, &event_type, &message, &order_key]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The id of the event.
    pub event_id: Uuid,
    /// The routing key of the event.
    pub event_type: String,
    /// The prepared event as JSON.
    pub message: String,
    /// Events with the same value are published one after the other, in the order in which they were written.
    pub order_key: Option<String>,
}

impl OutboxRow {
    /// The row of a prepared event.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`] when it cannot be written as JSON.
    pub fn of(prepared: &Prepared) -> Result<Self> {
        let message = serde_json::to_string(prepared).map_err(|error| {
            let text = format!("`{}` cannot be kept in an outbox", prepared.event_type());
            Error::new(ErrorKind::InvalidPayload, text).with_source(error)
        })?;
        Ok(Self {
            event_id: prepared.event_id(),
            event_type: prepared.event_type().to_string(),
            message,
            order_key: None,
        })
    }

    /// Sets the value whose events are published one after the other.
    #[must_use]
    pub fn ordered_by(mut self, order_key: impl Into<String>) -> Self {
        self.order_key = Some(order_key.into());
        self
    }

    pub(crate) async fn write<DB: Database>(self, connection: &mut DB::Connection) -> Result<(), sqlx_core::Error> {
        let Self { event_id, event_type, message, order_key } = self;
        let values = vec![Value::from(event_id), event_type.into(), message.into(), order_key.into()];
        if DB::DIALECT == Dialect::Postgres && wake::notifies() {
            // One statement: a second one would be another journey to the server.
            let channel = wake::CHANNEL;
            let notifying =
                format!("WITH written AS ({INSERT} RETURNING id) SELECT pg_notify('{channel}', '')::text FROM written");
            return DB::fetch(connection, &notifying, values).await.map(drop);
        }
        DB::execute(connection, INSERT, values).await.map(drop)
    }

    /// Writes the row as one that this process publishes itself: relays leave it alone for the time of the lease. Returns
    /// the number of the row.
    pub(crate) async fn write_claimed<DB: Database>(
        self,
        connection: &mut DB::Connection,
        token: Uuid,
        lease: Duration,
    ) -> Result<i64, sqlx_core::Error> {
        let Self { event_id, event_type, message, order_key } = self;
        let statement = DB::DIALECT.write(
            "INSERT INTO bloodbank_outbox (event_id, event_type, message, order_key, claim, due_at) \
             VALUES ($1, $2, $3, $4, $5, {later:$6}) RETURNING id",
        );
        let values = vec![
            Value::from(event_id),
            event_type.into(),
            message.into(),
            order_key.into(),
            token.into(),
            millis(lease).into(),
        ];
        let rows = DB::fetch(connection, &statement, values).await?;
        Ok(rows.first().map(|row| row.integer(0)).unwrap_or_default())
    }
}
