//! Subscriber functions: their arguments and their return values.

mod attempts;
mod context;
mod error;
mod extract;
mod follow_ups;
mod function;
mod input;
mod line;
mod output;
mod plain;
mod publisher;
mod time_limit;
mod transaction;

use futures_util::future::BoxFuture;

pub(crate) use attempts::Attempts;
pub use context::Context;
pub(crate) use context::{Delivered, Target};
pub use error::{HandlerError, HandlerFailure};
pub(crate) use error::{HandlerErrorKind, failure};
pub use extract::{ExtractFrom, Extractor, Here, Needs, Provides, Requirement, Satisfies, State, States, There};
pub(crate) use follow_ups::{caused_by, prepare_collected};
pub use function::{Handling, SubscriberFn};
pub use input::{BatchItem, Input};
pub(crate) use line::{KeyOf, Line, Lines};
pub use output::{HandlerReturn, Output};
pub use publisher::Publisher;
pub(crate) use time_limit::limited;
pub(crate) use transaction::Committed;
pub use transaction::{
    HandlerFunction, HandlerTransaction, Interrupted, Kept, OpenTransaction, Opened, check_no_transaction,
    in_transaction, the_transaction,
};

use crate::{event::EventCollector, registry::SubscriberDescriptor};

/// A subscriber: what `#[subscriber]` makes of a function that handles events ([`SubscriberFn`] leads from one to the other).
///
/// `Provided` is the list of states of the app; the compiler infers `Index` to find each of them.
pub trait Subscriber<Provided, Index>: Send + Sync + 'static {
    /// The descriptor from the attribute.
    fn descriptor(&self) -> &'static SubscriberDescriptor;

    /// Handles one event; returns the events to publish.
    fn call(&self, context: Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>>;

    /// The lane that the event belongs to (`ordered_by`): events of one lane are handled one after the other.
    fn lane(&self, _context: &Context) -> Option<u64> {
        None
    }

    /// The key of the event (`retry(park_key)`): the value of the field that orders events.
    fn key(&self, _context: &Context) -> Option<String> {
        None
    }
}
