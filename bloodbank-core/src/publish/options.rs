//! The options of a publish.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Cause, TraceContext};
use crate::{
    envelope::{AgentContext, WrittenSource},
    event_id,
    message::{Format, Headers},
};

/// The options of a publish: everything about an event besides its payload.
#[derive(Debug, Default)]
pub(crate) struct PublishOptions {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) timestamp: Option<DateTime<Utc>>,
    pub(crate) causes: Vec<Uuid>,
    pub(crate) mandatory: bool,
    pub(crate) source: Option<WrittenSource>,
    pub(crate) follow_up: Option<FollowUp>,
    pub(crate) uncommon: Option<Box<Uncommon>>,
}

/// Options that few events have; boxed, because the others are moved often.
#[derive(Debug, Default)]
pub(crate) struct Uncommon {
    pub(crate) agent_context: Option<AgentContext>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) replay: Option<Uuid>,
    pub(crate) headers: Headers,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) reply_to: Option<Arc<str>>,
    pub(crate) exchange: Option<Arc<str>>,
    pub(crate) routing_key: Option<Arc<str>>,
    pub(crate) format: Format,
    pub(crate) priority: Option<u8>,
}

/// The position of an event among the follow-ups of a cause, from which its id is derived.
#[derive(Debug, Clone)]
pub(crate) struct FollowUp {
    pub(crate) cause: Uuid,
    pub(crate) subscriber: Arc<str>,
    pub(crate) position: u32,
}

impl FollowUp {
    pub(crate) fn event_id(&self, event_type: &str) -> Uuid {
        event_id::derived(self.cause, &self.subscriber, self.position, event_type)
    }
}

impl PublishOptions {
    pub(crate) fn caused_by(&mut self, cause: &(impl Cause + ?Sized)) {
        self.causes.push(cause.event_id());
        let (agent, trace, replay) = (cause.agent_context(), cause.trace(), cause.replay());
        if agent.is_none() && trace.is_none() && replay.is_none() {
            return;
        }
        let uncommon = self.uncommon();
        if uncommon.replay.is_none() {
            uncommon.replay = replay;
        }
        if uncommon.agent_context.is_none() {
            uncommon.agent_context = agent.cloned();
        }
        if uncommon.trace.is_none() {
            uncommon.trace = trace;
        }
    }

    pub(crate) fn uncommon(&mut self) -> &mut Uncommon {
        self.uncommon.get_or_insert_default()
    }
}
