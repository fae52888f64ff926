//! Publishing from within a handler.

use std::{fmt, ops::Deref};

use super::Context;
use crate::{event::Event, publish::Publish};

/// A publisher with the event being handled as the cause, and with ids derived from it.
#[derive(Clone)]
pub struct Publisher(Context);

impl Publisher {
    pub(crate) fn new(context: Context) -> Self {
        Self(context)
    }

    /// Publishes an event that the handled one caused; see [`crate::Bus::publish`].
    pub fn publish<E: Event>(&self, event: E) -> Publish<'_, E> {
        let context = &self.0;
        context.bus().publish(event).causes(context.causes()).follow_up(context.next_follow_up())
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
