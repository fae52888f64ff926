//! Parked keys with a fault.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    Result,
    store::{ParkedEvent, ParkedKey, ParkedKeys, Place, memory::MemoryParkedKeys},
};
use bloodbank_testing::conformance::stores::StoreFixture;
use futures_util::future::BoxFuture;

use super::{Faulty, TIMEOUT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFault {
    ParksWhoeverAsks,
    OnlyAsks,
    MovesToTheEnd,
    ForgetsWhoWasHandled,
    StaysInLine,
    LosesItsPlace,
    CountsBackwards,
    RemovesOnlyTheFirst,
    RemovesAsHandled,
    ReleasesNothing,
    ReleasesTheQueue,
    IgnoresQueues,
    IgnoresCase,
    TrimsKeys,
    ForgetsWhenReopened,
}

struct FaultyParkedKeys {
    fault: LineFault,
    inner: Arc<MemoryParkedKeys>,
}

impl StoreFixture<dyn ParkedKeys> for Faulty<LineFault, MemoryParkedKeys> {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ParkedKeys>>> {
        Box::pin(async {
            let kept = Arc::clone(self.inner.get_or_init(Arc::default));
            let inner = if self.fault == LineFault::ForgetsWhenReopened { Arc::default() } else { kept };
            Ok(Arc::new(FaultyParkedKeys { fault: self.fault, inner }) as _)
        })
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}

impl FaultyParkedKeys {
    fn is(&self, fault: LineFault) -> bool {
        self.fault == fault
    }

    fn key(&self, key: &str) -> String {
        match self.fault {
            LineFault::IgnoresCase => key.to_lowercase(),
            LineFault::TrimsKeys => key.chars().take(100).collect(),
            _ => key.to_owned(),
        }
    }

    fn queue(&self, queue: &str) -> String {
        if self.is(LineFault::IgnoresQueues) { String::new() } else { queue.to_owned() }
    }

    fn event(&self, event: &ParkedEvent) -> ParkedEvent {
        let (queue, key) = (self.queue(&event.queue), self.key(&event.key));
        ParkedEvent { queue: queue.into(), key: key.into(), event_id: event.event_id }
    }

    async fn is_in_line(&self, event: &ParkedEvent) -> Result<bool> {
        let before = self.events(event).await?;
        self.inner.park(event).await?;
        let is_in_line = self.events(event).await? == before;
        if !is_in_line {
            self.inner.remove(event).await?;
        }
        Ok(is_in_line)
    }

    async fn events(&self, event: &ParkedEvent) -> Result<u64> {
        let keys = self.inner.list(&event.queue).await?;
        Ok(keys.iter().find(|key| *key.key == *event.key).map_or(0, |key| key.events))
    }
}

impl ParkedKeys for FaultyParkedKeys {
    fn describe(&self) -> String {
        "faulty".to_owned()
    }

    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>> {
        Box::pin(async move {
            let event = self.event(event);
            let is_new = self.is(LineFault::OnlyAsks) && !self.is_in_line(&event).await?;
            let place = self.inner.join(&event).await?;
            match (self.fault, place) {
                (LineFault::ParksWhoeverAsks, Place::Free) => {
                    self.inner.park(&event).await?;
                }
                (LineFault::OnlyAsks, Place::Behind { .. }) if is_new => self.inner.remove(&event).await?,
                (LineFault::MovesToTheEnd, Place::Behind { .. }) => {
                    self.inner.remove(&event).await?;
                    self.inner.park(&event).await?;
                }
                _ => {}
            }
            Ok(place)
        })
    }

    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let event = self.event(event);
            if self.is(LineFault::LosesItsPlace) {
                // It is the one that was handled last no more.
                let other = ParkedEvent { event_id: uuid::Uuid::new_v4(), ..event.clone() };
                self.inner.park(&other).await?;
                self.inner.leave(&other).await?;
            }
            let position = self.inner.park(&event).await?;
            Ok(if self.is(LineFault::CountsBackwards) { u64::MAX - position } else { position })
        })
    }

    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let event = self.event(event);
            match self.fault {
                LineFault::ForgetsWhoWasHandled => self.inner.remove(&event).await,
                LineFault::StaysInLine => Ok(()),
                _ => self.inner.leave(&event).await,
            }
        })
    }

    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let event = self.event(event);
            match self.fault {
                LineFault::RemovesAsHandled => self.inner.leave(&event).await,
                LineFault::RemovesOnlyTheFirst if self.inner.join(&event).await? != Place::First => Ok(()),
                _ => self.inner.remove(&event).await,
            }
        })
    }

    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let (queue, key) = (self.queue(queue), self.key(key));
            match self.fault {
                LineFault::ReleasesNothing => Ok(2),
                LineFault::ReleasesTheQueue => {
                    let mut released = 0;
                    for other in self.inner.list(&queue).await? {
                        let events = self.inner.release(&queue, &other.key).await?;
                        released += if other.key == key { events } else { 0 };
                    }
                    Ok(released)
                }
                _ => self.inner.release(&queue, &key).await,
            }
        })
    }

    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>> {
        Box::pin(async move { self.inner.list(&self.queue(queue)).await })
    }
}
