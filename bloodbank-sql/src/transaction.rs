//! The transaction of a transactional subscriber.

use std::{
    any::type_name,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use bloodbank_core::{
    Context, Event, HandlerError, Publisher, State,
    handler::{Extractor, HandlerTransaction, Interrupted, Kept, Needs, OpenTransaction, Opened},
    publish::{Prepared, Publish},
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx_core::{
    pool::Pool,
    sql_str::SqlSafeStr,
    transaction::{Transaction, TransactionManager},
};
use uuid::Uuid;

use crate::{
    database::{AsConnection, Database, Dialect, Value},
    outbox::{InTransaction, OutboxRow, forget, millis, release},
};

/// The time for which the inbox remembers an event, unless `dedupe(within = …)` says another one.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The transaction in which a `#[subscriber(transactional)]` runs.
///
/// It holds the mark of the event already. When the handler has succeeded, its follow-ups are written to the outbox and all
/// is committed; then the follow-ups are published and the event is acknowledged. When the handler fails, all is rolled
/// back. The app provides the pool: with [`AppExt::outbox`](crate::AppExt::outbox).
///
/// It derefs to the connection of `sqlx`, so that `&mut *tx` executes queries:
///
/// ```ignore
/// #[subscriber(transactional)]
/// async fn charge(order: OrderPlaced, mut tx: Tx<Postgres>) -> Result<OrderCharged, HandlerError> {
///     sqlx::query("UPDATE accounts SET cents = cents - $1").bind(order.cents).execute(&mut *tx).await?;
///     Ok(OrderCharged { order_id: order.order_id })
/// }
/// ```
pub struct Tx<DB: Database> {
    /// `None` only while it is being dropped.
    transaction: Option<Transaction<'static, DB>>,
    slot: Arc<Slot<DB>>,
    publisher: Publisher,
}

/// The place to which a handler gives its transaction back.
type Slot<DB> = Mutex<Option<Transaction<'static, DB>>>;

impl<DB: Database> Tx<DB> {
    /// The transaction of a command, in its `execute`: with `#[command(transactional(Tx<Postgres>))]`.
    ///
    /// # Errors
    /// When the command is not transactional, when its transaction is of another database, or when it was taken before.
    pub fn of(context: &Context) -> Result<Self, HandlerError> {
        Self::extract(context)
    }

    /// Publishes an event when the transaction has committed, with the handled event as its cause: for events that the
    /// handler does not return.
    pub fn publish<E: Event>(&mut self, event: E) -> Publish<'_, E, InTransaction<'_, Transaction<'static, DB>>> {
        let transaction = self.transaction.as_mut().expect(GIVEN_BACK);
        self.publisher.publish(event).via(InTransaction::new(transaction))
    }
}

const GIVEN_BACK: &str = "it is given back only when this is dropped";

impl<DB: Database> Deref for Tx<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.transaction.as_ref().expect(GIVEN_BACK)
    }
}

impl<DB: Database> DerefMut for Tx<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.transaction.as_mut().expect(GIVEN_BACK)
    }
}

impl<DB: Database> AsConnection for Tx<DB> {
    type Database = DB;

    fn as_connection(&mut self) -> &mut DB::Connection {
        self
    }
}

impl<DB: Database> Drop for Tx<DB> {
    fn drop(&mut self) {
        *self.slot.lock() = self.transaction.take();
    }
}

impl<DB: Database> fmt::Debug for Tx<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("database", &DB::DIALECT).finish_non_exhaustive()
    }
}

impl<DB: Database> Extractor for Tx<DB> {
    type Requires = Needs<Pool<DB>>;

    const TRANSACTION: Option<OpenTransaction> = Some(open::<DB>);

    fn extract(context: &Context) -> Result<Self, HandlerError> {
        // `Extractor::TRANSACTION` lets no subscriber in that does not open one.
        context
            .take_transaction::<Self>()
            .ok_or_else(|| HandlerError::permanent(format!("no `{}` is open for this event", type_name::<Self>())))
    }
}

/// Opens a transaction and sets the mark of the event in it.
fn open<DB: Database>(context: &Context) -> BoxFuture<'_, Result<Opened, Interrupted>> {
    Box::pin(async move {
        let State(pool) =
            State::<Pool<DB>>::extract(context).map_err(|error| Interrupted::Failed(error.to_string()))?;
        let publisher = Publisher::extract(context).map_err(|error| Interrupted::Failed(error.to_string()))?;
        let mut transaction = begin(&pool).await.map_err(|error| interrupted(&error))?;
        let mark = DB::DIALECT.write(
            "INSERT INTO bloodbank_inbox (queue, event_id, expires_at) VALUES ($1, $2, {later:$3}) \
             ON CONFLICT (queue, event_id) DO UPDATE SET handled_at = {now}, expires_at = excluded.expires_at \
             WHERE bloodbank_inbox.expires_at <= {now}",
        );
        let remembered = context.dedupe_within().unwrap_or(REMEMBERED);
        let values = vec![Value::from(context.queue()), handled_id(context).into(), millis(remembered).into()];
        let marked = DB::execute(&mut transaction, &mark, values).await.map_err(|error| interrupted(&error))?;
        if marked == 0 {
            transaction.rollback().await.map_err(|error| interrupted(&error))?;
            return Ok(Opened::Duplicate);
        }
        let slot = Arc::new(Mutex::new(None));
        let lease = context.bus().settings().publish_timeout * 2;
        let handle = Tx { transaction: Some(transaction), slot: Arc::clone(&slot), publisher };
        Ok(Opened::Open { transaction: Box::new(Open { slot, pool, lease }), handle: Box::new(handle) })
    })
}

/// Begins a transaction on a connection that has none.
///
/// SQLite rolls back by itself where the disk is full; the connection then counts a transaction that it can neither end nor
/// leave, and is of no use any more.
async fn begin<DB: Database>(pool: &Pool<DB>) -> Result<Transaction<'static, DB>, sqlx_core::Error> {
    loop {
        let mut connection = pool.acquire().await?;
        if DB::TransactionManager::get_transaction_depth(&connection) == 0 {
            return Transaction::begin(connection, Some(DB::DIALECT.begin().into_sql_str())).await;
        }
        connection.close_on_drop();
    }
}

fn handled_id(context: &Context) -> Uuid {
    // What cannot be read has no id, and its mark is rolled back.
    context.handled_id().unwrap_or_default()
}

/// An open transaction, for the runtime.
struct Open<DB: Database> {
    slot: Arc<Slot<DB>>,
    pool: Pool<DB>,
    /// The time for which the relay leaves the follow-ups to this process.
    lease: Duration,
}

impl<DB: Database> HandlerTransaction for Open<DB> {
    fn commit(self: Box<Self>, follow_ups: &[Prepared]) -> BoxFuture<'_, Result<Kept, Interrupted>> {
        Box::pin(async move {
            let Self { slot, pool, lease } = *self;
            let transaction = slot.lock().take();
            let Some(mut transaction) = transaction else {
                return Err(Interrupted::Failed(
                    "the handler has kept its `Tx`; drop it before the handler ends".to_owned(),
                ));
            };
            let token = Uuid::new_v4();
            let mut ids = Vec::with_capacity(follow_ups.len());
            for prepared in follow_ups {
                let row = OutboxRow::of(prepared).map_err(|error| Interrupted::Failed(error.to_string()))?;
                ids.push(
                    row.write_claimed::<DB>(&mut transaction, token, lease)
                        .await
                        .map_err(|error| interrupted(&error))?,
                );
            }
            // PostgreSQL rolls back at COMMIT, without an error, where a statement has failed before. With follow-ups it has
            // said so by now.
            if follow_ups.is_empty() && DB::DIALECT == Dialect::Postgres {
                DB::execute(&mut transaction, "SELECT 1", Vec::new()).await.map_err(|error| interrupted(&error))?;
            }
            if let Err(error) = transaction.commit().await {
                // It may have committed. Then the relay publishes the follow-ups, without waiting for the end of the lease.
                release(&pool, token).await;
                return Err(interrupted(&error));
            }
            Ok(Box::new(move || Box::pin(async move { forget(&pool, &ids, token).await }) as BoxFuture<'static, ()>)
                as Kept)
        })
    }

    fn interruption(&self, error: &HandlerError) -> Option<Interrupted> {
        let found = error.causes().find_map(|cause| cause.downcast_ref::<sqlx_core::Error>())?;
        match interrupted(found) {
            Interrupted::Failed(_) => None,
            other => Some(other),
        }
    }

    fn roll_back(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let transaction = self.slot.lock().take();
            if let Some(transaction) = transaction {
                // Where that fails, the connection is given up, and the database rolls back.
                let _ = transaction.rollback().await;
            }
        })
    }
}

/// What to do about an error of the database before or within a commit.
fn interrupted(error: &sqlx_core::Error) -> Interrupted {
    let text = format!("the transaction was not committed: {error}");
    match error {
        sqlx_core::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            match code.as_str() {
                // Serialisation failure, deadlock; SQLite: busy, locked, busy with a snapshot.
                "40001" | "40P01" | "5" | "6" | "517" => Interrupted::Conflict(text),
                // “Current transaction is aborted”.
                "25P02" => Interrupted::Failed(
                    "a statement of the handler failed, and the handler went on; PostgreSQL commits nothing after that. \
                     Return the error, or put the statement into a savepoint (`tx.begin()`)"
                        .to_owned(),
                ),
                // The server shuts down or starts; SQLite: the file cannot be read or written, the disk is full.
                "57P01" | "57P02" | "57P03" | "10" | "13" => Interrupted::Unknown(text),
                // No connection; the server has no memory, disk or connections left.
                other if other.len() == 5 && (other.starts_with("08") || other.starts_with("53")) => {
                    Interrupted::Unknown(text)
                }
                _ => Interrupted::Failed(text),
            }
        }
        sqlx_core::Error::Io(_)
        | sqlx_core::Error::Tls(_)
        | sqlx_core::Error::Protocol(_)
        | sqlx_core::Error::PoolTimedOut
        | sqlx_core::Error::PoolClosed
        | sqlx_core::Error::WorkerCrashed => Interrupted::Unknown(text),
        _ => Interrupted::Failed(text),
    }
}
