//! Answers to requesters: sent by who executed the command, received by who waits for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{OnceCell, oneshot};
use tracing::debug;
use uuid::Uuid;

use crate::{
    consume::Context,
    error::Result,
    publish::Bus,
    transport::{Incoming, Outgoing, Properties, Topology, names},
};

/// What a requester is told.
pub(crate) enum Answer {
    /// The reply event; `None` where the command declares none.
    Reply(Option<Outgoing>),
    /// The failure event; no further attempt follows.
    Failure(Outgoing),
    /// Why there is neither.
    Error(String),
}

/// Answers whoever waits for this command, if anybody does. The answer is a courtesy: the events are already published,
/// so one that cannot be sent changes nothing.
pub(crate) async fn answer(context: &Context, answer: Answer) {
    let Some(queue) = &context.message().properties.reply_to else {
        return;
    };
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

type Waiting = Arc<Mutex<HashMap<Uuid, oneshot::Sender<Incoming>>>>;

/// The requests of a bus that wait for an answer. Their queue is made with the first of them.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    queue: OnceCell<Arc<str>>,
    waiting: Waiting,
}

impl Replies {
    /// The queue for answers to this bus.
    pub(crate) async fn queue(&self, bus: &Bus) -> Result<&Arc<str>> {
        self.queue.get_or_try_init(|| self.listen(bus)).await
    }

    async fn listen(&self, bus: &Bus) -> Result<Arc<str>> {
        let queue: Arc<str> = format!("bloodbank.reply.{}", Uuid::new_v4()).into();
        bus.declare(Topology::replies(&queue)).await?;
        let mut answers = bus.transport().consume(Arc::clone(&queue), 256).await?;
        let waiting = Arc::clone(&self.waiting);
        // Ends with the transport: the stream does.
        tokio::spawn(async move {
            while let Some(delivery) = answers.next().await {
                let (message, settlement) = (delivery.message, delivery.settlement);
                let requester = message.properties.correlation_id.and_then(|command| lock(&waiting).remove(&command));
                if let Some(requester) = requester {
                    // Somebody who no longer waits needs no answer.
                    let _ = requester.send(message);
                }
                settlement.ack();
            }
        });
        Ok(queue)
    }

    /// Waits for the answer to a command; no longer when the result is dropped.
    pub(crate) fn wait_for(&self, command: Uuid) -> Waiter {
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(command, sender);
        Waiter { command, answer, waiting: Arc::clone(&self.waiting) }
    }
}

/// A request that waits.
pub(crate) struct Waiter {
    command: Uuid,
    pub(crate) answer: oneshot::Receiver<Incoming>,
    waiting: Waiting,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.command);
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<Uuid, oneshot::Sender<Incoming>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
