//! Causes of events.

use uuid::Uuid;

use crate::{
    envelope::{AgentContext, EventEnvelope},
    publish::Receipt,
    telemetry::TraceContext,
};

/// A cause: something with an event id that can be the parent of another event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cause of an event",
    label = "has no event id",
    note = "an `EventEnvelope`, a `Receipt`, a `Context` or the `Uuid` of an event can"
)]
pub trait Cause {
    /// The id of the parent.
    fn event_id(&self) -> Uuid;

    /// The agent of the parent, which its children inherit.
    fn agent_context(&self) -> Option<&AgentContext> {
        None
    }

    /// The trace of the parent, which its children inherit.
    fn trace(&self) -> Option<TraceContext> {
        None
    }

    /// The id of the replay in which the parent is handled, which its children inherit.
    fn replay(&self) -> Option<Uuid> {
        None
    }
}

impl Cause for Uuid {
    fn event_id(&self) -> Uuid {
        *self
    }
}

impl Cause for Receipt {
    fn event_id(&self) -> Uuid {
        self.event_id
    }
}

impl<T> Cause for EventEnvelope<T> {
    fn event_id(&self) -> Uuid {
        self.event_id
    }

    fn agent_context(&self) -> Option<&AgentContext> {
        self.agent_context.as_deref()
    }
}

impl<C: Cause + ?Sized> Cause for &C {
    fn event_id(&self) -> Uuid {
        (**self).event_id()
    }

    fn agent_context(&self) -> Option<&AgentContext> {
        (**self).agent_context()
    }

    fn trace(&self) -> Option<TraceContext> {
        (**self).trace()
    }

    fn replay(&self) -> Option<Uuid> {
        (**self).replay()
    }
}
