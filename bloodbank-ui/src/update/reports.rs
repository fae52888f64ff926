//! What has become of effects.

use std::sync::Arc;

use bloodbank_client::{PublishReceipt, SweepAction, SweepReport};
use serde_json::Value;

use crate::{
    document::Document,
    message::{Effect, SeenEvent},
    state::{Overlay, State, View},
    text::pretty,
};

pub(super) fn remembered(state: &mut State, result: Result<Vec<Arc<SeenEvent>>, String>) -> Vec<Effect> {
    match result {
        Ok(events) => {
            let count = state.live.add_past(events);
            state.say(format!("{count} earlier events"));
        }
        Err(error) => state.complain(error),
    }
    Vec::new()
}

pub(super) fn published(state: &mut State, result: Result<PublishReceipt, String>) -> Vec<Effect> {
    match result {
        Ok(receipt) => {
            state.last_published = Some(receipt.event_id);
            state.replaces = None;
            let unrouted =
                if receipt.unrouted == Some(true) { "; no queue receives it yet" } else { "; Ctrl-T traces it" };
            state.say(format!("published {} {}{unrouted}", receipt.event_type, receipt.event_id));
        }
        Err(error) => state.complain(error),
    }
    Vec::new()
}

pub(super) fn replied(state: &mut State, result: Result<Value, String>) -> Vec<Effect> {
    match result {
        Ok(Value::Null) => state.say("executed; this command has no reply"),
        Ok(reply) => {
            let id = reply["correlation_ids"][0].as_str().and_then(|id| id.parse().ok());
            state.last_published = id.or(state.last_published);
            state.say("executed; Ctrl-T traces it");
            let title = format!("Reply: {}", reply["event_type"].as_str().unwrap_or_default());
            state.overlay = Some(Overlay::Document(Document::new(title, &pretty(&reply))));
        }
        Err(error) => state.complain(error),
    }
    Vec::new()
}

pub(super) fn swept(state: &mut State, action: SweepAction, result: Result<SweepReport, String>) -> Vec<Effect> {
    let done = match action {
        SweepAction::Redrive => "redriven",
        SweepAction::Discard => "discarded",
    };
    match result {
        Ok(report) => {
            let failed: Vec<_> = report.letters.iter().filter_map(|letter| letter.error.as_ref()).collect();
            let count = report.letters.len() - failed.len();
            match failed.first().copied().or(report.interrupted.as_ref()) {
                Some(error) => state.complain(format!("{count} {done}, then: {error}")),
                None => state.say(format!("{count} {done}")),
            }
        }
        Err(error) => state.complain(error),
    }
    if state.view != View::DeadLetters || state.letters.is_loading {
        return Vec::new();
    }
    state.letters.is_loading = true;
    vec![Effect::ListDeadLetters]
}

pub(super) fn edited(state: &mut State, result: Result<String, String>) -> Vec<Effect> {
    match (result, state.event) {
        (Ok(text), Some(event)) => state.editor.replace(&text, event),
        (Ok(_), None) => {}
        (Err(error), _) => state.complain(error),
    }
    Vec::new()
}

pub(super) fn saved(state: &mut State, result: Result<String, String>) -> Vec<Effect> {
    match result {
        Ok(path) => state.say(format!("saved to {path}")),
        Err(error) => state.complain(error),
    }
    Vec::new()
}

pub(super) fn loaded(state: &mut State, result: Result<String, String>) -> Vec<Effect> {
    if result.is_ok() {
        state.say("loaded");
    }
    edited(state, result)
}
