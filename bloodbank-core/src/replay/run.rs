//! A replay at work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream::FuturesOrdered};
use tokio::{sync::watch, task::JoinHandle, time::sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::{Replay, ReplayProgress, ReplayState, comes_from_a_replay, no_queue};
use crate::{
    error::{Error, ErrorKind, Result},
    message::{Outgoing, names},
    store::{JournalEntries, JournalEntry, Position},
};

/// The pause before an event that could not be published is published again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A replay at work. It goes on when this is dropped.
#[derive(Debug)]
pub struct RunningReplay {
    progress: watch::Receiver<ReplayProgress>,
    cancel: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl RunningReplay {
    pub(super) fn spawn(replay: Replay) -> Self {
        let (sender, progress) = watch::channel(replay.progress.clone());
        let cancel = CancellationToken::new();
        let task = tokio::spawn(run(replay, sender, cancel.clone()));
        Self { progress, cancel, task }
    }

    /// How far it has come, watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<ReplayProgress> {
        self.progress.clone()
    }

    /// The token that cancels it: what is on its way is confirmed first.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Waits until it has sent everything, or was cancelled.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] where the bus keeps no journal, the journal cannot be read, or entries were removed before they
    /// were replayed; [`ErrorKind::Topology`] where the queue is not there; errors of publishing that another attempt does not
    /// change.
    pub async fn finished(self) -> Result<ReplayProgress> {
        match self.task.await {
            Ok(ended) => ended?,
            Err(error) => {
                return Err(Error::new(ErrorKind::Closed, "the replay ended with its runtime").with_source(error));
            }
        }
        Ok(self.progress.borrow().clone())
    }
}

async fn run(replay: Replay, progress: watch::Sender<ReplayProgress>, cancel: CancellationToken) -> Result<()> {
    let ended = send_all(&replay, &progress, &cancel).await;
    progress.send_modify(|progress| match &ended {
        Ok(()) if cancel.is_cancelled() => progress.state = ReplayState::Cancelled,
        Ok(()) => (progress.state, progress.trouble) = (ReplayState::Done, None),
        Err(error) => (progress.state, progress.trouble) = (ReplayState::Failed, Some(error.to_string())),
    });
    ended
}

async fn send_all(replay: &Replay, progress: &watch::Sender<ReplayProgress>, cancel: &CancellationToken) -> Result<()> {
    replay.check_queue().await?;
    let journal = replay.journal()?;
    let begun = progress.borrow().clone();
    let end = match begun.end {
        Some(end) => end,
        None => match journal.tip().await? {
            Some(tip) => tip,
            None => return Ok(()),
        },
    };
    progress.send_modify(|progress| progress.end = Some(end));
    let from = match begun.next {
        Some(next) if next > end => return Ok(()),
        Some(next) => {
            replay.check_floor(&*journal, next).await?;
            Position::Offset(next)
        }
        None => replay.from,
    };
    let mut entries = journal.read(replay.bounded_query(end), from);
    let mut pace = Pace::new(replay.rate);
    // In order: what is counted is confirmed up to there.
    let mut sends = FuturesOrdered::new();
    let mut reads = true;
    while reads || !sends.is_empty() {
        tokio::select! {
            biased;
            () = cancel.cancelled(), if reads => reads = false,
            Some(sent) = sends.next(), if !sends.is_empty() => match sent? {
                Some(offset) => progress.send_modify(|progress| confirmed(progress, offset)),
                // Those after it may be confirmed, but are sent again all the same.
                None => return Ok(()),
            },
            entry = pace.next(&mut entries), if reads && sends.len() < replay.bus.window() => match entry? {
                Some(entry) if comes_from_a_replay(&entry) => {}
                Some(entry) => sends.push_back(send(replay, entry, progress, cancel)),
                None => reads = false,
            },
        }
    }
    if !cancel.is_cancelled() {
        progress.send_modify(|progress| progress.next = progress.next.map(|_| end + 1));
    }
    Ok(())
}

fn confirmed(progress: &mut ReplayProgress, offset: u64) {
    progress.first.get_or_insert(offset);
    progress.sent += 1;
    progress.next = Some(offset + 1);
}

/// Publishes an event for the subscriber until it is confirmed, and returns its offset; `None`: the replay was cancelled while
/// it could not be published.
async fn send(
    replay: &Replay,
    entry: JournalEntry,
    progress: &watch::Sender<ReplayProgress>,
    cancel: &CancellationToken,
) -> Result<Option<u64>> {
    let (bus, offset) = (&replay.bus, entry.offset);
    let copy = copy(entry, &replay.queue, replay.progress.id);
    loop {
        match bus.publish_message(copy.clone()).await {
            Ok(published) if published.unrouted == Some(true) => return Err(no_queue(&copy.routing_key)),
            Ok(_) => {
                progress.send_if_modified(|progress| progress.trouble.take().is_some());
                return Ok(Some(offset));
            }
            Err(error) if error.is_retryable() => {
                let text = error.to_string();
                progress.send_if_modified(|progress| {
                    let is_new = progress.trouble.is_none();
                    if is_new {
                        warn!(replay = %progress.id, "a replay waits: {text}");
                        progress.trouble = Some(text);
                    }
                    is_new
                });
                tokio::select! {
                    () = cancel.cancelled() => return Ok(None),
                    () = tokio::time::sleep(RETRY_INTERVAL) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The copy of an event for the queue of one subscriber. Its requester, if it has one, has its answer.
fn copy(entry: JournalEntry, queue: &Arc<str>, replay: Uuid) -> Outgoing {
    let JournalEntry { message, .. } = entry;
    let mut properties = message.properties;
    properties.headers.remove_all(names::is_added_by_broker);
    properties.headers.set(names::EXCHANGE, &*message.exchange);
    properties.headers.set(names::ROUTING_KEY, &*message.routing_key);
    properties.headers.set(names::REPLAYED, replay.to_string());
    (properties.reply_to, properties.expiration) = (None, None);
    Outgoing::new("", Arc::clone(queue), message.body).properties(properties).mandatory()
}

/// Spreads events evenly over time.
struct Pace {
    interval: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { interval: rate.map(|rate| Duration::from_secs(1) / rate), next: Instant::now() }
    }

    /// The next entry, when it may go. Waiting for it can be given up.
    async fn next(&mut self, entries: &mut JournalEntries) -> Result<Option<JournalEntry>> {
        if self.interval.is_some() {
            sleep_until(self.next.into()).await;
        }
        let entry = entries.try_next().await?;
        if let Some(interval) = self.interval {
            // What was not used is not made up for.
            self.next = self.next.max(Instant::now()) + interval;
        }
        Ok(entry)
    }
}
