//! A lease store in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, ready};
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::error::Result;
use crate::store::{Acquired, LeaseKey, LeaseStore};

/// A clock: the time since some moment.
type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A lease store in memory, forgotten with the process. An event takes some 150 bytes until its time is over.
pub struct MemoryLeases {
    clock: Clock,
    /// The number of events that were done whose marks are kept.
    most: usize,
    marks: Mutex<Marks>,
}

#[derive(Default)]
struct Marks {
    by_key: HashMap<LeaseKey, Mark>,
    /// The number of marks at which expired ones are removed.
    clean_at: usize,
    /// The events that were done, oldest first, where only so many are kept.
    done: VecDeque<LeaseKey>,
}

struct Mark {
    /// The token of the lease; `None`: the event is done.
    token: Option<Uuid>,
    until: Duration,
}

/// The number of marks below which expired ones are not looked for.
const FEW: usize = 1_024;

impl Default for MemoryLeases {
    fn default() -> Self {
        let start = Instant::now();
        Self::with_clock(Arc::new(move || start.elapsed()))
    }
}

impl MemoryLeases {
    /// Creates a store whose leases end by this clock, which counts from any moment.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, most: usize::MAX, marks: Mutex::default() }
    }

    /// Creates a store that remembers no more than the last so many events that were done.
    #[must_use]
    pub fn of_the_last(events: usize) -> Self {
        Self { most: events, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock()
    }

    fn change<T>(&self, key: &LeaseKey, change: impl FnOnce(&mut Marks, Option<Option<Uuid>>, Duration) -> T) -> T {
        let now = (self.clock)();
        let mut marks = self.lock();
        let known = marks.by_key.get(key).filter(|mark| mark.until > now).map(|mark| mark.token);
        change(&mut marks, known, now)
    }
}

impl Marks {
    fn set(&mut self, key: &LeaseKey, token: Option<Uuid>, now: Duration, lasting: Duration) {
        if self.by_key.len() >= self.clean_at.max(FEW) {
            self.by_key.retain(|_, mark| mark.until > now);
            self.clean_at = self.by_key.len() * 2;
        }
        self.by_key.insert(key.clone(), Mark { token, until: now.saturating_add(lasting) });
    }

    /// Forgets the events that were done before the last so many, of which `key` is the newest.
    fn forget_beyond(&mut self, most: usize, key: &LeaseKey) {
        if most == usize::MAX {
            return;
        }
        self.done.push_back(key.clone());
        while self.done.len() > most
            && let Some(oldest) = self.done.pop_front()
        {
            if self.by_key.get(&oldest).is_some_and(|mark| mark.token.is_none()) {
                self.by_key.remove(&oldest);
            }
        }
    }
}

impl LeaseStore for MemoryLeases {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        let acquired = self.change(key, |marks, known, now| match known {
            Some(None) => Acquired::Done,
            Some(Some(other)) if other != token => Acquired::Busy,
            Some(Some(_)) | None => {
                marks.set(key, Some(token), now, lease);
                Acquired::Leased
            }
        });
        Box::pin(ready(Ok(acquired)))
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        let renewed = self.change(key, |marks, known, now| {
            let is_ours = known == Some(Some(token));
            if is_ours {
                marks.set(key, Some(token), now, lease);
            }
            is_ours
        });
        Box::pin(ready(Ok(renewed)))
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        let finished = self.change(key, |marks, known, now| {
            let is_free = known.is_none_or(|holder| holder.is_none_or(|holder| holder == token));
            if is_free {
                marks.set(key, None, now, within);
                marks.forget_beyond(self.most, key);
            }
            is_free
        });
        Box::pin(ready(Ok(finished)))
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        self.change(key, |marks, known, _| {
            if known == Some(Some(token)) {
                marks.by_key.remove(key);
            }
        });
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn only_the_last_are_remembered() {
        let store = MemoryLeases::of_the_last(2);
        let key = |number| LeaseKey { queue: "q".into(), event_id: Uuid::from_u128(number) };
        for number in 1..=3 {
            store.finish(&key(number), Uuid::nil(), Duration::from_secs(10)).await.unwrap();
        }
        let done = async |number| {
            let acquired = store.acquire(&key(number), Uuid::from_u128(7), Duration::from_secs(1)).await.unwrap();
            matches!(acquired, Acquired::Done)
        };
        assert_eq!((done(1).await, done(2).await, done(3).await), (false, true, true));
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten() {
        let time = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&time);
        let store = MemoryLeases::with_clock(Arc::new(move || Duration::from_secs(clock.load(Ordering::Relaxed))));
        for number in 0..100_000 {
            let key = LeaseKey { queue: "q".into(), event_id: Uuid::from_u128(number) };
            time.store(u64::try_from(number).unwrap() / 100, Ordering::Relaxed);
            store.finish(&key, Uuid::nil(), Duration::from_secs(10)).await.unwrap();
        }
        let kept = store.lock().by_key.len();
        assert!((1_000..=5_000).contains(&kept), "{kept}");
    }
}
