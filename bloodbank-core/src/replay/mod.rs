//! Replay: events that were handled go to one subscriber again, from the journal.
//!
//! ```no_run
//! # use bloodbank_core::{Bus, Replay, routing::BindingPattern, store::{JournalQuery, Position}};
//! # async fn example(bus: Bus) -> Result<(), Box<dyn std::error::Error>> {
//! let orders = JournalQuery::all().pattern(BindingPattern::parse("orders.#")?);
//! let replay = Replay::of(&bus, "shop.ship").query(orders).from(Position::Start).rate(100);
//! let plan = replay.plan().await?;
//! println!("{} events would go to shop.ship", plan.events);
//! let done = replay.start().finished().await?;
//! println!("{} were replayed as {}", done.sent, done.id);
//! # Ok(()) }
//! ```
//!
//! A replayed event goes through the default exchange to the queue of its subscriber, so that nobody else receives it. It has the
//! id that it had, and the header `bloodbank-replayed` with the id of the replay. Deduplication and the inbox remember it under
//! both ids: it passes once for each replay. What it leads to has the header `bloodbank-replay`, and is left out by later replays.

mod plan;
mod progress;
mod request;
mod run;

use std::sync::Arc;

use uuid::Uuid;

pub use self::{
    plan::ReplayPlan,
    progress::{ReplayProgress, ReplayState},
    request::ReplayRequest,
    run::RunningReplay,
};
use crate::{
    error::{Error, ErrorKind, Result},
    message::names,
    publish::Bus,
    store::{Journal, JournalEntry, JournalQuery, Position, entries_lost},
};

/// A replay of events of the journal into the queue of one subscriber. Does nothing until it is planned or started.
#[derive(Debug, Clone)]
#[must_use = "a replay begins with `start`"]
pub struct Replay {
    bus: Bus,
    queue: Arc<str>,
    query: JournalQuery,
    from: Position,
    rate: Option<u32>,
    progress: ReplayProgress,
}

impl Replay {
    /// A replay of everything that the journal has into the queue of a subscriber: `{app}.{subscriber}`, or what its
    /// `queue = "…"` says.
    pub fn of(bus: &Bus, queue: impl Into<Arc<str>>) -> Self {
        let queue = queue.into();
        Self {
            bus: bus.clone(),
            progress: ReplayProgress::new(Uuid::new_v4(), &queue),
            queue,
            query: JournalQuery::all(),
            from: Position::Start,
            rate: None,
        }
    }

    /// Selects the events. Only events of the bus are replayed: what went through its exchange.
    pub fn query(mut self, query: JournalQuery) -> Self {
        self.query = query;
        self
    }

    /// Sets where to begin; default: with the oldest event.
    pub fn from(mut self, from: Position) -> Self {
        self.from = from;
        self
    }

    /// Limits the events per second; default: as fast as they are confirmed.
    pub fn rate(mut self, per_second: impl Into<Option<u32>>) -> Self {
        self.rate = per_second.into().filter(|rate| *rate > 0);
        self
    }

    /// Goes on with a replay that was interrupted, where its last confirmed event was. The query must be the same.
    ///
    /// Events that were sent and not confirmed are sent again: with the same ids, so that deduplication recognises them.
    pub fn resume(mut self, progress: &ReplayProgress) -> Self {
        self.progress = ReplayProgress { state: ReplayState::Running, trouble: None, ..progress.clone() };
        self
    }

    /// The id of the replay.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.progress.id
    }

    /// Counts what would be replayed, without sending anything.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] where the bus keeps no journal or the journal cannot be read, [`ErrorKind::Topology`] where there
    /// is no such queue.
    pub async fn plan(&self) -> Result<ReplayPlan> {
        self.check_queue().await?;
        let journal = self.journal()?;
        let Some(tip) = journal.tip().await? else { return Ok(ReplayPlan::default()) };
        plan::count(journal.read(self.bounded_query(tip), self.from)).await
    }

    /// Starts the replay in a task of its own.
    pub fn start(self) -> RunningReplay {
        RunningReplay::spawn(self)
    }

    fn journal(&self) -> Result<Arc<dyn Journal>> {
        self.bus.stores().journal.ok_or_else(|| {
            let remedy = match self.bus.transport().system() {
                "rabbitmq" => "switch one on with `bb topology journal enable`",
                _ => "the embedded bus in a file has one: set BLOODBANK_EMBEDDED_PATH",
            };
            Error::new(ErrorKind::Storage, format!("this bus keeps no journal, so nothing can be replayed; {remedy}"))
        })
    }

    async fn check_queue(&self) -> Result<()> {
        match self.bus.transport().queue(Arc::clone(&self.queue)).await? {
            Some(_) => Ok(()),
            None => Err(no_queue(&self.queue)),
        }
    }

    /// The query for events of the bus up to an offset.
    fn bounded_query(&self, end: u64) -> JournalQuery {
        let mut query = self.query.clone().exchange(&**self.bus.exchange());
        let end = end.saturating_add(1);
        query.before = Some(query.before.map_or(end, |before| before.min(end)));
        query
    }

    /// Refuses to go on where entries are gone that were to be replayed.
    async fn check_floor(&self, journal: &dyn Journal, next: u64) -> Result<()> {
        match journal.floor().await? {
            Some(floor) if floor > next => Err(entries_lost(&journal.describe(), next, floor - 1)),
            _ => Ok(()),
        }
    }
}

/// Whether an entry was published by a subscriber that handled a replayed event: that is not replayed again.
fn comes_from_a_replay(entry: &JournalEntry) -> bool {
    entry.message.properties.headers.text(names::REPLAY).is_some()
}

fn no_queue(queue: &str) -> Error {
    Error::new(
        ErrorKind::Topology,
        format!("there is no queue `{queue}`; correct its name, or start its subscriber once, which declares it"),
    )
}
