//! Requests that wait for the answer to a command.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, oneshot};
use uuid::Uuid;

use super::Bus;
use crate::{
    envelope::RawEnvelope,
    error::Result,
    message::{Incoming, names},
    routing,
    transport::{Topology, topology::Binding},
};

type Waiting = Arc<Mutex<HashMap<Uuid, oneshot::Sender<Incoming>>>>;

/// The pending requests of a bus. Their reply queue is declared with the first of them.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    queue: OnceCell<Arc<str>>,
    /// The keys of the events that the queue receives beside answers.
    bound: AsyncMutex<HashSet<Arc<str>>>,
    waiting: Waiting,
}

impl Replies {
    /// The reply queue of this bus, declared on first use.
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
                // An event too says what it is correlated with.
                let is_answer = message.properties.headers.text(names::REPLY).is_some();
                let answered = match message.properties.correlation_id {
                    Some(command) if is_answer => lock(&waiting).remove(&command).map(|requester| (requester, message)),
                    _ => effect(&waiting, message),
                };
                if let Some((requester, answer)) = answered {
                    // Somebody who no longer waits needs no answer.
                    let _ = requester.send(answer);
                }
                settlement.ack();
            }
        });
        Ok(queue)
    }

    /// Lets the reply of a command answer it that is published as an event too: some executors, those of the Python side among
    /// them, do not know who asked.
    pub(crate) async fn bind(&self, bus: &Bus, reply: &str) -> Result<()> {
        let (queue, pattern) = (self.queue(bus).await?, routing::template_to_pattern(reply));
        let mut bound = self.bound.lock().await;
        if !bound.contains(&*pattern) {
            let pattern: Arc<str> = pattern.into();
            let (exchange, queue) = (Arc::clone(bus.exchange()), Arc::clone(queue));
            let binding = Binding { exchange, queue, pattern: Arc::clone(&pattern) };
            bus.transport().declare(Topology::default().bindings([binding])).await?;
            bound.insert(pattern);
        }
        Ok(())
    }

    /// Registers a request that waits for the answer to a command, until the result is dropped.
    pub(crate) fn wait_for(&self, command: Uuid) -> Waiter {
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(command, sender);
        Waiter { command, answer, waiting: Arc::clone(&self.waiting) }
    }
}

/// A pending request.
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

/// The request that an event answers, because its command is among the causes, and the event in the form of an answer.
fn effect(waiting: &Waiting, mut message: Incoming) -> Option<(oneshot::Sender<Incoming>, Incoming)> {
    if lock(waiting).is_empty() {
        return None;
    }
    let causes = RawEnvelope::read(&message.body).ok()?.correlation_ids;
    let mut waiting = lock(waiting);
    let requester = causes.iter().find_map(|cause| waiting.remove(cause))?;
    message.properties.headers.set(names::REPLY, "reply");
    Some((requester, message))
}

fn lock(waiting: &Waiting) -> parking_lot::MutexGuard<'_, HashMap<Uuid, oneshot::Sender<Incoming>>> {
    waiting.lock()
}
