//! One tool at the door: its requests, and what it holds.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{
    PROTOCOL,
    wire::{Answer, Call, Reply, Request, Settled, WireDelivery, WireError},
};
use crate::Embedded;
use bloodbank_core::{
    Error, ErrorKind, Result,
    settings::Settings,
    store::{DirectLinkStore, Journal, JournalEntries, ParkedKeys},
    transport::{BoxQueueBrowser, Consume, Deliveries, Delivery, Publish, Settlement, Transport},
};

/// Lines that wait to be written; a tool that does not read them holds up its own streams alone.
const WAITING_LINES: usize = 256;

/// What a tool was given and has not settled, by stream or browser and by tag.
type Held = Arc<Mutex<HashMap<u64, HashMap<u64, Settlement>>>>;

struct Visitor {
    bus: Weak<Embedded>,
    settings: Settings,
    replies: mpsc::Sender<Reply>,
    held: Held,
    browsers: HashMap<u64, (BoxQueueBrowser, u64)>,
    streams: HashMap<u64, AbortHandle>,
    /// Ends with the visit.
    tasks: JoinSet<()>,
}

/// Answers the requests of a tool until it leaves; what it held goes back to the queues.
pub(super) async fn serve(stream: UnixStream, bus: Weak<Embedded>, settings: Settings) {
    let (read, write) = stream.into_split();
    let (replies, waiting) = mpsc::channel(WAITING_LINES);
    let mut tasks = JoinSet::new();
    tasks.spawn(write_replies(write, waiting));
    let mut visitor = Visitor {
        bus,
        settings,
        replies,
        held: Held::default(),
        browsers: HashMap::new(),
        streams: HashMap::new(),
        tasks,
    };
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(Request { id, call }) = serde_json::from_str(&line) else { break };
        let Some(bus) = visitor.bus.upgrade() else { break };
        let result = match visitor.answer(&bus, id, call).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => continue,
            Err(error) => Err(WireError::from(&error)),
        };
        drop(bus);
        if visitor.replies.send(Reply { id, result }).await.is_err() {
            break;
        }
    }
}

async fn write_replies(mut write: OwnedWriteHalf, mut replies: mpsc::Receiver<Reply>) {
    while let Some(reply) = replies.recv().await {
        let Ok(mut line) = serde_json::to_vec(&reply) else { return };
        line.push(b'\n');
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}

impl Visitor {
    /// Answers a request; `None`: it has no answer, or many.
    async fn answer(&mut self, bus: &Embedded, id: u64, call: Call) -> Result<Option<Answer>> {
        Ok(Some(match call {
            Call::Hello { .. } => Answer::Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() },
            Call::Publish { message, mandatory } => {
                let published = bus.publish(message.into_outgoing(mandatory)).await?;
                Answer::Published { unrouted: published.unrouted }
            }
            Call::Declare { topology } => {
                bus.declare(topology).await?;
                Answer::Done
            }
            Call::Queue { queue } => Answer::Queue(bus.queue(queue).await?),
            Call::Queues => Answer::Queues(bus.queues().await?),
            Call::Release { queue } => {
                bus.release(queue).await?;
                Answer::Done
            }
            Call::Compare { topology } => Answer::Compared { items: bus.compare(topology).await? },
            Call::Consume { queue, prefetch } => {
                let deliveries = bus.consume(queue, prefetch).await?;
                let stream = hand_on(id, deliveries, self.replies.clone(), Arc::clone(&self.held));
                self.streams.insert(id, self.tasks.spawn(stream));
                Answer::Done
            }
            Call::Browse { queue } => {
                let browser = bus.browse(queue).await?;
                let left = browser.left();
                self.browsers.insert(id, (browser, 0));
                Answer::Browsing { left }
            }
            Call::Next { browser } => Answer::Delivery(self.next(browser).await?),
            Call::Flush { browser } => {
                if let Some((browser, _)) = self.browsers.get_mut(&browser) {
                    browser.flush().await?;
                }
                Answer::Done
            }
            Call::End { holder } => {
                self.end(holder);
                return Ok(None);
            }
            Call::Finish { browser } => {
                self.held.lock().remove(&browser);
                if let Some((browser, _)) = self.browsers.remove(&browser) {
                    browser.finish().await?;
                }
                Answer::Done
            }
            Call::Settle { holder, tag, how } => {
                let settlement = self.held.lock().get_mut(&holder).and_then(|held| held.remove(&tag));
                match (settlement, how) {
                    (Some(settlement), Settled::Ack) => settlement.ack(),
                    (Some(settlement), Settled::Reject) => settlement.reject(false),
                    (Some(settlement), Settled::Requeue) => settlement.reject(true),
                    (None, _) => {}
                }
                return Ok(None);
            }
            Call::WriteLinks { links } => {
                self.links(bus)?.write(&links).await?;
                Answer::Done
            }
            Call::FlushLinks => {
                self.links(bus)?.flush().await;
                Answer::Done
            }
            Call::LinkEntries { events } => Answer::Entries(self.links(bus)?.entries(&events).await?),
            Call::LinkChildren { events } => Answer::Children(self.links(bus)?.children(&events).await?),
            Call::FindLinks { first, last, limit } => Answer::Events(self.links(bus)?.find(first, last, limit).await?),
            Call::JoinLine(event) => Answer::Place(self.parked_keys(bus)?.join(&event).await?),
            Call::ParkInLine(event) => Answer::Number(self.parked_keys(bus)?.park(&event).await?),
            Call::LeaveLine(event) => {
                self.parked_keys(bus)?.leave(&event).await?;
                Answer::Done
            }
            Call::RemoveFromLine(event) => {
                self.parked_keys(bus)?.remove(&event).await?;
                Answer::Done
            }
            Call::ReleaseLine { queue, key } => Answer::Number(self.parked_keys(bus)?.release(&queue, &key).await?),
            Call::ParkedKeys { queue } => Answer::ParkedKeys(self.parked_keys(bus)?.list(&queue).await?),
            Call::ReadJournal { query, from, follow } => {
                let journal = self.journal(bus)?;
                let entries = if follow { journal.follow(query, from) } else { journal.read(query, from) };
                self.streams.insert(id, self.tasks.spawn(hand_on_entries(id, entries, self.replies.clone())));
                return Ok(None);
            }
            Call::JournalEntry { event_id } => Answer::Entry(self.journal(bus)?.get(event_id).await?),
            Call::JournalFloor => Answer::Offset(self.journal(bus)?.floor().await?),
            Call::JournalCompleteFrom => Answer::Offset(self.journal(bus)?.complete_from().await?),
            Call::JournalTip => Answer::Offset(self.journal(bus)?.tip().await?),
        }))
    }

    async fn next(&mut self, id: u64) -> Result<Option<WireDelivery>> {
        let Some((browser, last)) = self.browsers.get_mut(&id) else {
            return Err(Error::new(ErrorKind::Closed, "this look into the queue has ended; begin another"));
        };
        let Some(delivery) = browser.next().await? else { return Ok(None) };
        *last += 1;
        Ok(Some(hold(&self.held, id, *last, delivery)))
    }

    /// Ends a stream or a browser; what it holds goes back.
    fn end(&mut self, holder: u64) {
        if let Some(stream) = self.streams.remove(&holder) {
            stream.abort();
        }
        self.held.lock().remove(&holder);
        self.browsers.remove(&holder);
    }

    fn links(&self, bus: &Embedded) -> Result<Arc<dyn DirectLinkStore>> {
        bus.stores(&self.settings).links.ok_or_else(no_store)
    }

    fn parked_keys(&self, bus: &Embedded) -> Result<Arc<dyn ParkedKeys>> {
        bus.stores(&self.settings).parked_keys.ok_or_else(no_store)
    }

    fn journal(&self, bus: &Embedded) -> Result<Arc<dyn Journal>> {
        bus.stores(&self.settings).journal.ok_or_else(no_store)
    }
}

/// Hands deliveries on to a tool. The prefetch bounds how many it holds.
async fn hand_on(id: u64, mut deliveries: Deliveries, replies: mpsc::Sender<Reply>, held: Held) {
    let mut tag = 0;
    while let Some(delivery) = deliveries.next().await {
        tag += 1;
        let delivery = hold(&held, id, tag, delivery);
        if replies.send(Reply { id, result: Ok(Answer::Delivery(Some(delivery))) }).await.is_err() {
            return;
        }
    }
    let _ = replies.send(Reply { id, result: Ok(Answer::Delivery(None)) }).await;
}

/// Hands the entries of a journal on to a tool.
async fn hand_on_entries(id: u64, mut entries: JournalEntries, replies: mpsc::Sender<Reply>) {
    while let Some(entry) = entries.next().await {
        let result = match entry {
            Ok(entry) => Ok(Answer::Entry(Some(entry))),
            Err(error) => Err(WireError::from(&error)),
        };
        if replies.send(Reply { id, result }).await.is_err() {
            return;
        }
    }
    let _ = replies.send(Reply { id, result: Ok(Answer::Entry(None)) }).await;
}

fn hold(held: &Held, holder: u64, tag: u64, delivery: Delivery) -> WireDelivery {
    let Delivery { message, redelivered, settlement } = delivery;
    held.lock().entry(holder).or_default().insert(tag, settlement);
    WireDelivery { tag, redelivered, message: message.into() }
}

fn no_store() -> Error {
    Error::new(ErrorKind::Storage, "this bus keeps no history")
}
