//! Answers to the requesters of commands.

use std::sync::Arc;

use bytes::Bytes;
use tracing::debug;

use crate::{
    handler::Context,
    message::{Outgoing, Properties, names},
};

/// The answer to a requester.
pub(super) enum Answer {
    /// The reply event; `None` where the command declares none.
    Reply(Option<Outgoing>),
    /// The failure event; no further attempt follows.
    Failure(Outgoing),
    /// The error, where there is neither a reply nor a failure event.
    Error(String),
}

/// Answers the requester of a command, if there is one. The answer is a courtesy: the events are already published, so
/// a failure to send it changes nothing.
pub(super) async fn answer(context: &Context, answer: Answer) {
    let Some(queue) = &context.message().properties.reply_to else {
        return;
    };
    // Who sends plain JSON does not know our answers.
    if context.is_plain() {
        return;
    }
    let (kind, message) = match answer {
        Answer::Reply(message) => ("reply", message),
        Answer::Failure(message) => ("failure", Some(message)),
        Answer::Error(error) => ("error", Some(error_message(&error))),
    };
    let mut message = message.unwrap_or_else(|| error_message(""));
    message.exchange = "".into();
    message.routing_key = Arc::clone(queue);
    message.mandatory = false;
    message.properties.correlation_id = Some(context.event_id());
    message.properties.headers.set(names::REPLY, kind);
    if let Err(error) = context.bus().publish_message(message).await {
        debug!(%error, command = %context.event_id(), "the requester cannot be answered");
    }
}

fn error_message(error: &str) -> Outgoing {
    Outgoing {
        exchange: "".into(),
        routing_key: "".into(),
        properties: Properties::default(),
        body: Bytes::from(error.to_owned()),
        mandatory: false,
    }
}
