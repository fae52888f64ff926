//! Requests that wait for the answer to a command.

use std::{collections::HashMap, sync::Arc};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, oneshot};
use uuid::Uuid;

use super::Bus;
use crate::{error::Result, message::Incoming, transport::Topology};

type Waiting = Arc<Mutex<HashMap<Uuid, oneshot::Sender<Incoming>>>>;

/// The pending requests of a bus. Their reply queue is declared with the first of them.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    queue: OnceCell<Arc<str>>,
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

fn lock(waiting: &Waiting) -> parking_lot::MutexGuard<'_, HashMap<Uuid, oneshot::Sender<Incoming>>> {
    waiting.lock()
}
