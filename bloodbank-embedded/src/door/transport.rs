//! The bus behind a door as a transport.

use std::{path::Path, sync::Arc};

use futures_util::{
    future::BoxFuture,
    stream::{self, StreamExt},
};

use super::{
    client::{Answers, Client},
    parked_keys::DoorParkedKeys,
    stores::{DoorJournal, DoorLinks},
    wire::{Answer, Call, Settled, WireDelivery, WireMessage},
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Outgoing, Published},
    settings::Settings,
    store::Stores,
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Delivery, Publish, QueueBrowser, QueueStatus, Settle,
        Topology, TopologyDiff, Transport,
    },
};

/// The bus in a file that another process has open.
pub(crate) struct DoorTransport(Arc<Client>);

impl DoorTransport {
    /// Connects to the process that has a file open; `None`: there is none.
    pub(crate) async fn attach(file: &Path) -> Result<Option<Self>> {
        Ok(Client::connect(file).await?.map(Self))
    }
}

impl Publish for DoorTransport {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        let mandatory = message.mandatory;
        let mut answers = self.0.send(Call::Publish { message: WireMessage::outgoing(message), mandatory });
        Box::pin(async move {
            match answers.next().await? {
                Answer::Published { unrouted } => Ok(Published { unrouted }),
                _ => Err(unexpected()),
            }
        })
    }
}

impl Consume for DoorTransport {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.call(Call::Declare { topology }).await.map(drop) })
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        Box::pin(async move {
            let mut answers = self.0.send(Call::Consume { queue, prefetch });
            answers.next().await?;
            let holder = Arc::new(Holder { client: Arc::clone(answers.client()), id: answers.id });
            let deliveries = stream::unfold((answers, holder), |(mut answers, holder)| async move {
                let Ok(Answer::Delivery(Some(delivery))) = answers.next().await else { return None };
                Some((holder.delivery(delivery), (answers, holder)))
            });
            Ok(deliveries.boxed() as Deliveries)
        })
    }

    fn consume_ahead(&self, queue: Arc<str>, prefetch: u16, most: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.consume(queue, crate::ahead(prefetch, most))
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Whoever has the bus answers one call after the other. One that is gone has settled nothing.
            let _ = self.0.call(Call::Queue { queue: "".into() }).await;
        })
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        Box::pin(async move {
            let mut answers = self.0.send(Call::Browse { queue });
            let Answer::Browsing { left } = answers.next().await? else { return Err(unexpected()) };
            let holder = Arc::new(Holder { client: Arc::clone(answers.client()), id: answers.id });
            Ok(Box::new(DoorBrowser { answers, holder, left }) as BoxQueueBrowser)
        })
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        Box::pin(async move {
            match self.0.call(Call::Compare { topology }).await? {
                Answer::Compared { items } => Ok(items),
                _ => Err(unexpected()),
            }
        })
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.call(Call::Release { queue }).await.map(drop) })
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        Box::pin(async move {
            match self.0.call(Call::Queue { queue }).await? {
                Answer::Queue(status) => Ok(status),
                _ => Err(unexpected()),
            }
        })
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        Box::pin(async move {
            match self.0.call(Call::Queues).await? {
                Answer::Queues(queues) => Ok(queues),
                _ => Err(unexpected()),
            }
        })
    }
}

impl Transport for DoorTransport {
    fn system(&self) -> &'static str {
        "embedded"
    }

    fn stores(&self, _: &Settings) -> Stores {
        Stores::none()
            .with_links(Arc::new(DoorLinks(Arc::clone(&self.0))))
            .with_parked_keys(Arc::new(DoorParkedKeys(Arc::clone(&self.0))))
            .with_journal(Arc::new(DoorJournal(Arc::clone(&self.0))))
    }

    fn connections(&self) -> Vec<Connection> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // What was told before is done when this is answered.
            let _ = self.0.call(Call::FlushLinks).await;
            self.0.close();
        })
    }
}

/// A stream or a browser at the other side, which ends with it.
pub(super) struct Holder {
    pub(super) client: Arc<Client>,
    pub(super) id: u64,
}

impl Holder {
    fn delivery(self: &Arc<Self>, delivery: WireDelivery) -> Delivery {
        let WireDelivery { tag, redelivered, message } = delivery;
        Delivery::new(message.into(), redelivered, Arc::clone(self) as Arc<dyn Settle>, tag)
    }
}

impl Settle for Holder {
    fn ack(&self, tag: u64) {
        self.client.tell(Call::Settle { holder: self.id, tag, how: Settled::Ack });
    }

    fn reject(&self, tag: u64, requeue: bool) {
        let how = if requeue { Settled::Requeue } else { Settled::Reject };
        self.client.tell(Call::Settle { holder: self.id, tag, how });
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.client.tell(Call::End { holder: self.id });
    }
}

/// The waiting messages of a queue behind a door.
struct DoorBrowser {
    answers: Answers,
    holder: Arc<Holder>,
    left: usize,
}

impl QueueBrowser for DoorBrowser {
    fn left(&self) -> usize {
        self.left
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Box::pin(async move {
            match self.answers.client().call(Call::Next { browser: self.answers.id }).await? {
                Answer::Delivery(Some(delivery)) => {
                    self.left = self.left.saturating_sub(1);
                    Ok(Some(self.holder.delivery(delivery)))
                }
                Answer::Delivery(None) => {
                    self.left = 0;
                    Ok(None)
                }
                _ => Err(unexpected()),
            }
        })
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.answers.client().call(Call::Flush { browser: self.answers.id }).await.map(drop) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.answers.client().call(Call::Finish { browser: self.answers.id }).await.map(drop) })
    }
}

pub(super) fn unexpected() -> Error {
    Error::new(ErrorKind::Connection, "the process that has the file open gave an answer to another question")
}
