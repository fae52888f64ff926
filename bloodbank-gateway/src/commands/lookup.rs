//! The state of any command: from the tracker, otherwise from the correlation index and the history of the bus.

use bloodbank_core::{Bus, Registry, Result, event::EventKind};
use uuid::Uuid;

use super::tracker::{AnswerKind, CommandState, CommandStatus, CommandTracker, is_answer};
use crate::{auth::Patterns, stream::StreamEvent};

/// The state of a command; `None` where it is not known, and for a caller who may not read it, who must not learn that
/// it exists.
pub(crate) async fn find(
    bus: &Bus,
    tracker: &CommandTracker,
    read: &Patterns,
    id: Uuid,
) -> Result<Option<CommandState>> {
    let state = match tracker.get(id) {
        Some(state) => Some(state),
        None => from_index(bus, id).await?,
    };
    Ok(state.filter(|state| {
        let answers = [&state.reply, &state.failure].into_iter().flatten().map(|answer| answer.event_type.as_str());
        state.event_type.as_deref().into_iter().chain(answers).all(|key| read.allow(key))
    }))
}

/// The state of a command that this gateway has forgotten or never saw.
async fn from_index(bus: &Bus, id: Uuid) -> Result<Option<CommandState>> {
    let registry = Registry::global();
    let Some(tracker) = bus.correlation() else { return Ok(None) };
    let Some(event_type) = tracker.entry(id).await?.and_then(|entry| entry.event_type().map(str::to_owned)) else {
        return Ok(None);
    };
    if registry.event(&event_type).is_none_or(|event| event.kind() != EventKind::Command) {
        return Ok(None);
    }
    let mut state = CommandState::accepted(id, Some(event_type.clone()));
    for child in tracker.children(id).await? {
        let Some(key) = tracker.entry(child).await?.and_then(|entry| entry.event_type().map(str::to_owned)) else {
            continue;
        };
        let answer = match bus.stores().journal {
            Some(journal) => journal.get(child).await?.map(|entry| StreamEvent::from_message(&entry.message)),
            None => None,
        };
        let answer = answer.as_ref().and_then(|answer| Some((answer.envelope()?, answer.is_final)));
        let retry_count = answer.as_ref().and_then(|(envelope, _)| envelope.payload["retry_count"].as_u64());
        let Some(kind) = is_answer(id, &event_type, child, &key, retry_count) else { continue };
        match answer {
            Some((envelope, is_final)) => state.add_answer(envelope, kind, is_final),
            // The index keeps ids, but no envelopes.
            None if kind == AnswerKind::Reply => state.status = CommandStatus::Succeeded,
            None if state.status != CommandStatus::Succeeded => state.status = CommandStatus::Failed,
            None => {}
        }
    }
    Ok(Some(state))
}
