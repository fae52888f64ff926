//! Dead letters as they were a moment ago.
//!
//! Whoever looks at dead letters holds them all for a moment, and nobody else sees them meanwhile. So they are looked at once, and
//! a page shows what was found: no page holds anything while it is open, and paging asks the broker for nothing.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::{
    Bus, DeadLetters, ErrorKind,
    dead_letter::{DeadLetter, Filter, Fingerprint, Handle},
};
use bloodbank_gateway::Gateway;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::queues::QueueCache;
use crate::refusal::Refusal;

/// The time for which what was found is shown again.
const FRESH: Duration = Duration::from_secs(5);
/// The time after which a page is shown without what one still looks for.
const SOON: Duration = Duration::from_millis(750);
/// The time after which what was found is forgotten.
const STALE: Duration = Duration::from_secs(60);
/// The largest number of dead letters of a queue that are kept to be shown, the oldest first.
const MOST: usize = 20_000;
/// The number of queues that are looked into.
const MOST_QUEUES: usize = 50;
/// The time in which the bus must answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The dead letters of a queue at one moment, the oldest first.
#[derive(Debug)]
pub(crate) struct Letters {
    pub(crate) letters: Vec<DeadLetter>,
    pub(crate) taken: DateTime<Utc>,
    /// Whether there are more than are kept.
    pub(crate) is_cut: bool,
}

impl Letters {
    pub(crate) fn find(&self, handle: Handle) -> Option<&DeadLetter> {
        self.letters.iter().find(|letter| letter.handle == handle)
    }

    /// The handles of a group.
    pub(crate) fn of_group(&self, group: Fingerprint) -> Vec<Handle> {
        let letters = self.letters.iter().filter(|letter| Fingerprint::of(letter) == group);
        letters.map(|letter| letter.handle).collect()
    }
}

/// What was found in one queue. The lock is held while one looks: two who look at the same time would each see a part.
type Found = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Letters>)>>>;

/// The dead letters of every queue as they were found last.
#[derive(Default)]
pub(crate) struct LetterCache(Mutex<HashMap<String, Found>>);

impl LetterCache {
    /// The dead letters of a queue, as they are or were a moment ago.
    pub(crate) async fn get(&self, bus: &Bus, queue: &str) -> Result<Arc<Letters>, Refusal> {
        let place = self.place(queue);
        let mut found = place.lock().await;
        if let Some((since, letters)) = &*found
            && since.elapsed() < FRESH
        {
            return Ok(Arc::clone(letters));
        }
        let letters = load(bus, queue).await.inspect_err(|_| drop(self.0.lock().remove(queue)))?;
        *found = Some((Instant::now(), Arc::clone(&letters)));
        Ok(letters)
    }

    /// The dead letters of a queue like [`Self::get`]; `None`: there are so many that one still looks.
    pub(crate) async fn soon(self: &Arc<Self>, bus: &Bus, queue: &str) -> Result<Option<Arc<Letters>>, Refusal> {
        let (cache, bus, queue) = (Arc::clone(self), bus.clone(), queue.to_owned());
        // Whoever stops waiting does not stop the look.
        let looking = tokio::spawn(async move { cache.get(&bus, &queue).await });
        match timeout(SOON, looking).await {
            Ok(Ok(found)) => found.map(Some),
            Ok(Err(error)) => Err(Refusal::unavailable(error.to_string())),
            Err(_) => Ok(None),
        }
    }

    /// Does something with the dead letters of a queue while nobody here looks at them, and forgets what was found.
    pub(crate) async fn change<T>(&self, queue: &str, action: impl Future<Output = T>) -> T {
        let place = self.place(queue);
        let mut found = place.lock().await;
        *found = None;
        action.await
    }

    fn place(&self, queue: &str) -> Found {
        let mut queues = self.0.lock();
        // Letters may be large.
        queues.retain(|_, found| {
            Arc::strong_count(found) > 1
                || found.try_lock().is_ok_and(|found| found.as_ref().is_some_and(|(since, _)| since.elapsed() < STALE))
        });
        Arc::clone(queues.entry(queue.to_owned()).or_default())
    }
}

/// The dead letters of all queues.
pub(crate) struct AllLetters {
    pub(crate) queues: Vec<Arc<Letters>>,
    /// Why some may be missing.
    pub(crate) incomplete: Vec<String>,
    /// Whether one still looks into a queue.
    pub(crate) is_looking: bool,
}

/// Looks into every queue that has dead letters, those with the most first.
pub(crate) async fn letters_of_all(
    queues: &QueueCache,
    letters: &Arc<LetterCache>,
    gateway: &Gateway,
) -> Result<AllLetters, Refusal> {
    let found = queues.get(gateway).await?;
    let mut with_letters: Vec<_> =
        found.rows.iter().filter(|row| row.dead_letters.is_some_and(|letters| letters > 0)).collect();
    with_letters.sort_by_key(|row| std::cmp::Reverse(row.dead_letters));
    let mut incomplete: Vec<_> = found.incomplete.iter().cloned().collect();
    if with_letters.len() > MOST_QUEUES {
        incomplete.push(format!("Only the {MOST_QUEUES} queues with the most dead letters are looked into."));
    }
    let names = with_letters.iter().take(MOST_QUEUES).map(|row| row.status.name.as_str());
    let looked = join_all(names.clone().map(|name| letters.soon(gateway.bus(), name))).await;
    let looked: Vec<_> = looked.into_iter().collect::<Result<_, _>>()?;
    let waiting: Vec<_> = names.zip(&looked).filter(|(_, found)| found.is_none()).map(|(name, _)| name).collect();
    let is_looking = !waiting.is_empty();
    if is_looking {
        incomplete
            .push(format!("There are many dead letters in {}: one still looks, and they follow.", waiting.join(", ")));
    }
    let queues: Vec<_> = looked.into_iter().flatten().collect();
    if queues.iter().any(|letters| letters.is_cut) {
        incomplete.push("A queue holds more than is shown: of it, these are the oldest.".to_owned());
    }
    Ok(AllLetters { queues, incomplete, is_looking })
}

async fn load(bus: &Bus, queue: &str) -> Result<Arc<Letters>, Refusal> {
    let filter = Filter { limit: Some(MOST + 1), ..Filter::default() };
    let letters = DeadLetters::of(bus, queue);
    let listed = timeout(PATIENCE, letters.list(&filter)).await;
    let listed = listed.map_err(|_| Refusal::unavailable("The broker does not hand out the dead letters in time."))?;
    let mut letters = listed.map_err(|error| match error.kind() {
        ErrorKind::Topology => Refusal::not_found(format!("No subscriber has a queue `{queue}`.")),
        _ => error.into(),
    })?;
    let is_cut = letters.len() > MOST;
    letters.truncate(MOST);
    Ok(Arc::new(Letters { letters, taken: Utc::now(), is_cut }))
}
