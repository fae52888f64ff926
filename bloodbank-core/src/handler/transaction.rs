//! Transactions around handlers: what a handler writes, its follow-ups and the mark of the event are one commit.

use std::{any::Any, fmt, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    error::Result,
    event::EventCollector,
    handler::{Context, HandlerError, HandlerErrorKind, prepare_collected},
    message::Outgoing,
    publish::Prepared,
};

/// The number of times that a handler runs again at once because its transaction met another one.
const CONFLICTS: u32 = 5;

/// A transaction that is open around a handler and takes the handler's follow-ups with it.
pub trait HandlerTransaction: Send {
    /// Keeps the follow-ups in the transaction, and commits.
    ///
    /// # Errors
    /// What stops the commit; [`Interrupted`] says what to do about it.
    fn commit(self: Box<Self>, follow_ups: &[Prepared]) -> BoxFuture<'_, Result<Kept, Interrupted>>;

    /// Whether a handler failed because the transaction was interrupted, and not by itself: then the attempt does not count.
    fn interruption(&self, error: &HandlerError) -> Option<Interrupted>;

    /// Rolls back: what the handler wrote is gone.
    fn roll_back(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Removes what a commit has kept of the follow-ups, once they are confirmed.
pub type Kept = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Opens a transaction for the event of a context, with the mark of the event in it. An extractor that stands for a
/// transaction names one: [`Extractor::TRANSACTION`](crate::handler::Extractor::TRANSACTION).
pub type OpenTransaction = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<Opened, Interrupted>>;

/// A transaction that was opened for an event.
pub enum Opened {
    /// It is open, and has the mark of the event.
    Open {
        /// The transaction for the runtime.
        transaction: Box<dyn HandlerTransaction>,
        /// What the extractor takes with [`Context::take_transaction`].
        handle: Box<dyn Any + Send>,
    },
    /// The mark was there: the event is a duplicate.
    Duplicate,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open { .. } => "Open",
            Self::Duplicate => "Duplicate",
        })
    }
}

/// The reason why a transaction was not committed, or why that is not known.
#[derive(Debug)]
pub enum Interrupted {
    /// Another transaction was in the way: the handler runs again at once.
    Conflict(String),
    /// The database is away, or it is not known whether it has committed: the event waits a moment, and no attempt is used
    /// up. The mark tells then.
    Unknown(String),
    /// Another attempt may help, by the retry policy.
    Failed(String),
}

/// The follow-ups that a transaction has committed, and that are not yet published.
pub(crate) struct Committed {
    pub(crate) follow_ups: Vec<Prepared>,
    pub(crate) reply: Option<Outgoing>,
    /// `None`: the event is a duplicate, and there is nothing to publish.
    pub(crate) kept: Option<Kept>,
}

/// A handler, as it runs within a transaction.
pub type HandlerFunction = fn(Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>>;

/// Runs a handler in a transaction; where another transaction is in the way, again.
///
/// # Errors
/// What the handler returned; then nothing of what it wrote is kept.
pub fn in_transaction(
    context: Context,
    open: OpenTransaction,
    handler: HandlerFunction,
) -> BoxFuture<'static, Result<EventCollector, HandlerError>> {
    Box::pin(async move {
        let mut conflicts = 0;
        loop {
            match once(&context, open, handler).await {
                Ok(committed) => {
                    context.set_committed(committed);
                    return Ok(EventCollector::default());
                }
                Err(Stopped::Handler(error)) => return Err(error),
                Err(Stopped::Interrupted(Interrupted::Conflict(_))) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    let longest = 10_u64 << conflicts;
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(longest / 2..longest))).await;
                }
                Err(Stopped::Interrupted(Interrupted::Conflict(error) | Interrupted::Failed(error))) => {
                    return Err(HandlerError::retry(error));
                }
                Err(Stopped::Interrupted(Interrupted::Unknown(error))) => {
                    return Err(HandlerError::new(HandlerErrorKind::Deferred, error));
                }
            }
        }
    })
}

enum Stopped {
    Handler(HandlerError),
    Interrupted(Interrupted),
}

async fn once(context: &Context, open: OpenTransaction, handler: HandlerFunction) -> Result<Committed, Stopped> {
    let (transaction, handle) = match open(context).await.map_err(Stopped::Interrupted)? {
        Opened::Open { transaction, handle } => (transaction, handle),
        Opened::Duplicate => return Ok(Committed { follow_ups: Vec::new(), reply: None, kept: None }),
    };
    context.begin_transaction(handle);
    let result = handler(context.clone()).await;
    // What the handler has not taken is not in use any more.
    context.end_transaction();
    let prepared = result
        .and_then(|events| prepare_collected(events, context).map_err(|error| HandlerError::invalid_follow_up(&error)));
    match prepared {
        Ok((follow_ups, reply)) => {
            let kept = transaction.commit(&follow_ups).await.map_err(Stopped::Interrupted)?;
            Ok(Committed { follow_ups, reply, kept: Some(kept) })
        }
        Err(error) => {
            let interrupted = transaction.interruption(&error);
            transaction.roll_back().await;
            Err(interrupted.map_or(Stopped::Handler(error), Stopped::Interrupted))
        }
    }
}

/// Checks that an argument of a subscriber is no transaction: for subscribers without `transactional`.
#[track_caller]
pub const fn check_no_transaction(transaction: Option<OpenTransaction>) {
    assert!(
        transaction.is_none(),
        "a transaction is for transactional subscribers; write `#[subscriber(transactional)]`"
    );
}

/// The one transaction among the arguments of a transactional subscriber.
#[track_caller]
pub const fn the_transaction(arguments: &[Option<OpenTransaction>]) -> OpenTransaction {
    let mut found = None;
    let mut index = 0;
    while index < arguments.len() {
        if let Some(open) = arguments[index] {
            assert!(
                found.is_none(),
                "a handler has one transaction, because two cannot be committed together; take one `Tx`, and publish an \
                 event for what belongs to the other database"
            );
            found = Some(open);
        }
        index += 1;
    }
    match found {
        Some(open) => open,
        None => panic!(
            "a transactional subscriber takes its transaction; write `mut tx: Tx<Postgres>` or `mut tx: Tx<Sqlite>` after \
             the event, or remove `transactional`"
        ),
    }
}
