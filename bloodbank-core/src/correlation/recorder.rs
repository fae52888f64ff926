//! The recorder: one task writes the links of many publishes beside their confirms, and steps aside while the store is
//! away.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use chrono::Utc;
use futures_util::{FutureExt, future::Shared};
use metrics::gauge;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{info, warn};

use crate::error::{Error, ErrorKind, Result};
use crate::store::{CausationLink, LinkStore, UnrecordedLinks};

/// The largest number of links in one write.
const BATCH: usize = 256;
/// The size of a batch after which the next one waits [`GATHERING`] for more, unless a publisher has its confirm and
/// waits only for its link: each write costs what the broker could have had.
const CROWD: usize = 24;
const GATHERING: Duration = Duration::from_millis(5);
/// The largest number of waiting batches; beyond it links are missed rather than memory used.
const WAITING: usize = 256;
/// The time limit of a write, after which the store counts as away: a second, less what scheduling takes.
const PATIENCE: Duration = Duration::from_millis(900);
/// The time for which a publish waits for its link: a little longer than [`PATIENCE`], so that it sees the result of a
/// write begun at once.
const HOLD: Duration = Duration::from_millis(950);
/// The pauses between two probes of a failed store: doubled from the first to the last.
const PROBE_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The time within which a store that fails again is probed less eagerly.
const STABLE: Duration = Duration::from_secs(30);

/// A recording: resolves when a link is recorded, or given up and counted as missed, but after a second in every case.
/// A link that waits behind many others is then recorded later.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The signal that the links are settled: the task drops the sender.
    settled: Shared<oneshot::Receiver<()>>,
    awaited: Arc<Awaited>,
}

/// Whether a publisher waits for a batch.
#[derive(Debug)]
struct Awaited {
    yes: AtomicBool,
    urgent: Arc<Notify>,
}

impl Future for Recording {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let settled = self.settled.poll_unpin(cx).map(|_| ());
        if settled.is_pending() && !self.awaited.yes.swap(true, Ordering::AcqRel) {
            self.awaited.urgent.notify_waiters();
        }
        settled
    }
}

/// The health of correlation tracking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorrelationHealth {
    /// The store that links are recorded in, without secrets.
    pub store: String,
    /// Whether links are being recorded.
    pub available: bool,
    /// The number of links that were not recorded since the start.
    pub missed: u64,
}

/// The recorder: takes links from publishers; its task writes them.
pub(super) struct Recorder(Arc<Inner>);

struct Inner {
    store: Arc<dyn LinkStore>,
    queue: Mutex<Queue>,
    work: Notify,
    /// Notified when a batch is full, or awaited.
    urgent: Arc<Notify>,
    missed: UnrecordedLinks,
}

struct Queue {
    state: State,
    waiting: VecDeque<Batch>,
    /// Resolves when the newest batch is settled; all batches before it are settled then.
    settled: Option<Shared<oneshot::Receiver<()>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Recording,
    /// The store failed; links are missed until a probe succeeds.
    Away,
    /// The recorder was dropped, or the task has ended with its runtime.
    Stopped,
}

struct Batch {
    links: Vec<CausationLink>,
    recorded: Recording,
    hold: Hold,
    /// Dropped when the batch is written or given up.
    _settled: oneshot::Sender<()>,
}

/// The hold on the publishers of a batch: they go on when the sender is dropped.
struct Hold {
    until: Instant,
    publishers: Option<oneshot::Sender<()>>,
}

impl Hold {
    /// The time at which the publishers must go on; `None` when they have.
    fn due(&self) -> Option<Instant> {
        self.publishers.as_ref().map(|_| self.until)
    }

    fn let_go(&mut self, now: Instant) {
        if self.until <= now {
            self.publishers = None;
        }
    }
}

impl Batch {
    fn is_urgent(&self) -> bool {
        self.links.len() >= BATCH || self.recorded.awaited.yes.load(Ordering::Acquire)
    }

    /// Creates a batch, and the signal that it is settled.
    fn new(urgent: &Arc<Notify>) -> (Self, Shared<oneshot::Receiver<()>>) {
        let (publishers, recorded) = oneshot::channel();
        let (settled, when_settled) = oneshot::channel();
        let batch = Self {
            links: Vec::new(),
            recorded: Recording {
                settled: recorded.shared(),
                awaited: Arc::new(Awaited { yes: AtomicBool::new(false), urgent: Arc::clone(urgent) }),
            },
            hold: Hold { until: Instant::now() + HOLD, publishers: Some(publishers) },
            _settled: settled,
        };
        (batch, when_settled.shared())
    }
}

impl Recorder {
    /// Starts the task. A store that does not answer within a second is not waited for.
    pub(super) async fn start(store: Arc<dyn LinkStore>) -> Self {
        let inner = Arc::new(Inner {
            store,
            queue: Mutex::new(Queue { state: State::Recording, waiting: VecDeque::new(), settled: None }),
            work: Notify::new(),
            urgent: Arc::default(),
            missed: UnrecordedLinks::default(),
        });
        let reachable = inner.probe().await;
        if let Err(error) = &reachable {
            inner.give_up(Vec::new(), error);
        } else {
            gauge!("bloodbank_correlation_available").set(1.0);
        }
        tokio::spawn(Task(Arc::clone(&inner)).run(reachable.is_err()));
        Self(inner)
    }

    pub(super) fn store(&self) -> &Arc<dyn LinkStore> {
        &self.0.store
    }

    pub(super) fn missed(&self) -> &UnrecordedLinks {
        &self.0.missed
    }

    pub(super) fn is_available(&self) -> bool {
        self.0.queue().state == State::Recording
    }

    /// Hands a link to the task; `None` when the link is missed.
    pub(super) fn record(&self, link: CausationLink) -> Option<Recording> {
        let mut queue = self.0.queue();
        // What follows the first is found by the task without a word.
        let is_first = queue.waiting.is_empty();
        let is_full = queue.waiting.back().is_none_or(|batch| batch.links.len() >= BATCH);
        if queue.state != State::Recording || (is_full && queue.waiting.len() >= WAITING) {
            drop(queue);
            self.0.missed.link(&link);
            return None;
        }
        if is_full {
            let (batch, settled) = Batch::new(&self.0.urgent);
            queue.settled = Some(settled);
            queue.waiting.push_back(batch);
        }
        let batch = queue.waiting.back_mut()?;
        batch.links.push(link);
        let recorded = batch.recorded.clone();
        let fills = batch.links.len() == BATCH;
        drop(queue);
        if is_first {
            self.0.work.notify_one();
        }
        if fills {
            self.0.urgent.notify_waiters();
        }
        Some(recorded)
    }

    /// Waits until every link that was recorded before is written or given up.
    pub(super) async fn flush(&self) {
        let settled = self.0.queue().settled.clone();
        if let Some(settled) = settled {
            // An error is the signal: the sender is dropped.
            let _ = settled.await;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The task writes what waits, then ends.
        self.0.queue().state = State::Stopped;
        self.0.work.notify_one();
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    async fn probe(&self) -> Result<()> {
        timeout(PATIENCE, self.store.probe()).await.unwrap_or_else(|_| Err(too_slow()))
    }

    /// The time at which the first publisher must go on, of those that wait for this batch or for one behind it.
    fn first_due(&self, begun: &Hold) -> Instant {
        let next = || self.queue().waiting.iter().find_map(|batch| batch.hold.due());
        // When nobody waits, any time after the end of the write will do.
        let due = begun.due().or_else(next);
        due.unwrap_or_else(|| Instant::now() + 2 * PATIENCE)
    }

    fn is_urgent(&self) -> bool {
        self.queue().waiting.front().is_some_and(Batch::is_urgent)
    }

    fn let_go(&self, now: Instant) {
        for batch in &mut self.queue().waiting {
            batch.hold.let_go(now);
        }
    }

    /// Gives up these links and the waiting ones after the store failed, so that no publisher waits for it.
    fn give_up(&self, links: Vec<CausationLink>, error: &Error) {
        let waiting = {
            let mut queue = self.queue();
            if queue.state == State::Recording {
                queue.state = State::Away;
            }
            std::mem::take(&mut queue.waiting)
        };
        gauge!("bloodbank_correlation_available").set(0.0);
        warn!(store = %self.store.describe(), %error, "correlation is not recorded; publishing goes on without");
        for link in links.iter().chain(waiting.iter().flat_map(|batch| &batch.links)) {
            self.missed.link(link);
        }
    }
}

fn too_slow() -> Error {
    Error::new(ErrorKind::Storage, "no answer within a second")
}

/// The task of the recorder; dropping it with its runtime releases every waiting publisher.
struct Task(Arc<Inner>);

impl Task {
    async fn run(self, mut is_away: bool) {
        let mut back_since = Instant::now();
        let mut pause = PROBE_PAUSE.0;
        let mut is_crowded = false;
        loop {
            if is_away {
                if back_since.elapsed() > STABLE {
                    pause = PROBE_PAUSE.0;
                }
                if !self.wait_until_back(&mut pause).await {
                    return;
                }
                back_since = Instant::now();
            }
            if is_crowded {
                self.gather().await;
            }
            let Some(batch) = self.next().await else { return };
            is_crowded = batch.links.len() >= CROWD;
            is_away = !self.write(batch).await;
        }
    }

    /// Waits for a short time until a batch is full or awaited.
    async fn gather(&self) {
        let urgent = self.0.urgent.notified();
        if !self.0.is_urgent() {
            // Written when time is up in every case.
            let _ = timeout(GATHERING, urgent).await;
        }
    }

    /// The next batch; `None` when there will be none.
    async fn next(&self) -> Option<Batch> {
        loop {
            {
                let mut queue = self.0.queue();
                if !queue.waiting.is_empty() {
                    return queue.waiting.pop_front();
                }
                if queue.state == State::Stopped {
                    return None;
                }
            }
            self.0.work.notified().await;
            // Publishers that are ready to run get into the same batch.
            tokio::task::yield_now().await;
        }
    }

    /// Writes a batch; returns whether the store took it.
    async fn write(&self, mut batch: Batch) -> bool {
        let written = {
            let write = timeout(PATIENCE, self.0.store.write(&batch.links));
            tokio::pin!(write);
            loop {
                let due = self.0.first_due(&batch.hold);
                tokio::select! {
                    written = &mut write => break written,
                    () = sleep_until(due) => {
                        batch.hold.let_go(due);
                        self.0.let_go(due);
                    }
                }
            }
        };
        match written.unwrap_or_else(|_| Err(too_slow())) {
            Ok(in_the_way) => {
                for value in in_the_way {
                    warn!(store = %self.0.store.describe(), %value, "a foreign value is in the way of a correlation");
                    self.0.missed.event(value.event_id, Utc::now());
                }
                true
            }
            Err(error) => {
                self.0.give_up(std::mem::take(&mut batch.links), &error);
                false
            }
        }
    }

    /// Probes until the store answers; returns `false` when nobody needs it any more.
    async fn wait_until_back(&self, pause: &mut Duration) -> bool {
        loop {
            tokio::select! {
                () = sleep(*pause) => {}
                () = self.0.work.notified() => {}
            }
            *pause = (*pause * 2).min(PROBE_PAUSE.1);
            if self.0.queue().state == State::Stopped {
                return false;
            }
            if self.0.probe().await.is_ok() {
                let mut queue = self.0.queue();
                if queue.state == State::Away {
                    queue.state = State::Recording;
                }
                drop(queue);
                gauge!("bloodbank_correlation_available").set(1.0);
                let missed = self.0.missed.count();
                info!(store = %self.0.store.describe(), missed, "correlation is recorded again");
                return true;
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let waiting = {
            let mut queue = self.0.queue();
            queue.state = State::Stopped;
            std::mem::take(&mut queue.waiting)
        };
        for link in waiting.iter().flat_map(|batch| &batch.links) {
            self.0.missed.link(link);
        }
    }
}
