//! Subscriber functions: what they take, what they return, how they are described.

mod error;
mod extract;
pub(crate) mod input;
mod options;
mod output;

use std::{fmt, ops::Deref, sync::Arc};

use futures_util::future::BoxFuture;

pub use error::{HandlerError, HandlerFailure};
pub(crate) use error::{HandlerErrorKind, failure};
pub use extract::{ExtractFrom, Extractor, Here, Needs, Provides, Satisfies, State, States, There};
pub use input::{Input, Payload};
pub use options::{Backoff, OnFailure, RetryPolicy, SubscriberOptions};
pub use output::{HandlerReturn, Output};

use crate::{
    consume::Context,
    event::{Declaration, Location},
    publish::EventCollector,
    routing::{matches, template_to_pattern},
};

/// What `#[subscriber]` says about a function, known at compile time and listed in the registry.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberDescriptor {
    /// The name of the function.
    pub name: &'static str,
    /// Its doc comment.
    pub docs: &'static str,
    /// Where it stands.
    pub location: Location,
    /// The options of the attribute.
    pub options: SubscriberOptions,
    /// The events it receives.
    pub inputs: fn() -> Vec<&'static Declaration>,
    /// The events it may publish by returning them.
    pub outputs: fn() -> Vec<&'static Declaration>,
}

inventory::collect!(SubscriberDescriptor);

impl SubscriberDescriptor {
    /// Its queue in an app of that name.
    #[must_use]
    pub fn queue(&self, service: &str) -> Arc<str> {
        self.options.queue.map_or_else(|| format!("{service}.{}", self.name).into(), Into::into)
    }

    /// What its queue is bound to: its pattern or its keys, and the keys of older versions.
    #[must_use]
    pub fn patterns(&self) -> Vec<Arc<str>> {
        let explicit = self.options.pattern;
        let mut patterns: Vec<Arc<str>> = explicit.map(Into::into).into_iter().collect();
        for declaration in (self.inputs)() {
            let keys = declaration.received_keys().skip(usize::from(explicit.is_some()));
            for pattern in keys.map(template_to_pattern) {
                if !patterns.iter().any(|known| matches(known, &pattern)) {
                    patterns.push(pattern.into());
                }
            }
        }
        patterns
    }
}

/// A function that handles events; `#[subscriber]` implements it.
///
/// `Provided` is the list of states of the app, `Index` what the compiler infers to find each of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a subscriber of this app",
    label = "not a subscriber",
    note = "consider annotating the function with `#[subscriber]`"
)]
pub trait Subscriber<Provided, Index>: Send + Sync + 'static {
    /// What the attribute says.
    fn descriptor(&self) -> &'static SubscriberDescriptor;

    /// Handles one event; the result is what to publish.
    fn call(&self, context: Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>>;

    /// Which lane the event belongs to (`ordered_by`): events of one lane are handled one after the other.
    fn lane(&self, _context: &Context) -> Option<u64> {
        None
    }
}

/// Publishes with the event that is being handled as the cause, and with ids derived from it.
#[derive(Clone)]
pub struct Publisher(Context);

impl Publisher {
    pub(crate) fn new(context: Context) -> Self {
        Self(context)
    }

    /// Publishes an event that the handled one caused; see [`crate::Bus::publish`].
    pub fn publish<E: crate::Event>(&self, event: E) -> crate::publish::Publish<'_, E> {
        self.0.bus().publish_follow_up(event, &self.0)
    }
}

impl Deref for Publisher {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.0
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.0).finish()
    }
}
