//! Lanes: a message that holds up others, or that is refused, goes on a channel of its own.
//!
//! RabbitMQ confirms nothing for a queue without a leader; old versions then confirm nothing else on that channel either. And a
//! channel that published before a new leader was known is refused as long as it lives. So what is not confirmed, or refused, gets
//! a channel of its own for each exchange and routing key, and so do later messages with that key, until all of them are
//! confirmed. Everything else goes on beside them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::publish::{owner::Owner, request::Request, request_queue::RequestQueue, route_memory::RouteMemory};
use crate::{journal_sign::JournalSign, supervisor::SupervisedConnection};
use bloodbank_core::message::Outgoing;

/// The largest number of lanes: a broker allows 2,047 channels on a connection. Further keys share them.
const MOST: usize = 64;
/// The time between two connections that are given up because nothing is confirmed.
const MOVE_INTERVAL: Duration = Duration::from_secs(30);

/// What the channels of one publisher have in common.
pub(super) struct Publishing {
    pub(super) connection: Arc<SupervisedConnection>,
    pub(super) sign: Arc<JournalSign>,
    pub(super) routes: Arc<RouteMemory>,
    /// The number of messages that may be in flight on a channel.
    pub(super) limit: usize,
    /// Cancelled when the remaining requests are given up.
    pub(super) abandon: CancellationToken,
    /// The number of messages that were confirmed, on whichever channel.
    confirmed: AtomicU64,
    moved: Mutex<Option<Instant>>,
}

impl Publishing {
    pub(super) fn new(
        connection: Arc<SupervisedConnection>,
        sign: Arc<JournalSign>,
        routes: RouteMemory,
        limit: usize,
        abandon: CancellationToken,
    ) -> Self {
        Self {
            connection,
            sign,
            routes: Arc::new(routes),
            limit: limit.max(1),
            abandon,
            confirmed: AtomicU64::new(0),
            moved: Mutex::new(None),
        }
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    pub(super) fn count_confirmed(&self) {
        self.confirmed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is time to try another node of the broker.
    pub(super) fn may_move(&self) -> bool {
        let mut moved = self.moved.lock();
        let may = moved.is_none_or(|moved| moved.elapsed() >= MOVE_INTERVAL);
        if may {
            *moved = Some(Instant::now());
        }
        may
    }
}

/// The reason for a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The broker does not confirm.
    Unconfirmed,
    /// The broker refused.
    Refused,
}

/// The lanes of a publisher.
pub(super) struct Lanes {
    publishing: Arc<Publishing>,
    lanes: HashMap<Destination, Lane>,
    hasher: RandomState,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Destination {
    exchange: Arc<str>,
    routing_key: Arc<str>,
}

impl Destination {
    fn of(message: &Outgoing) -> Self {
        Self { exchange: Arc::clone(&message.exchange), routing_key: Arc::clone(&message.routing_key) }
    }
}

/// A channel of its own, and the task that publishes on it.
struct Lane {
    requests: Arc<RequestQueue>,
    /// Each request that is not answered holds a clone.
    pass: Arc<()>,
    finish: CancellationToken,
    owner: JoinHandle<()>,
}

impl Lane {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.pass) == 1
    }

    /// Takes no more requests; its task ends once all are answered.
    fn close(self) -> JoinHandle<()> {
        self.requests.close();
        self.finish.cancel();
        self.owner
    }
}

impl Lanes {
    pub(super) fn new(publishing: Arc<Publishing>) -> Self {
        Self { publishing, lanes: HashMap::new(), hasher: RandomState::new() }
    }

    /// The lane that a request has to take, if any: one that is idle is closed, and its key is like others again.
    fn of(&mut self, request: &Request) -> Option<&Lane> {
        let destination = Destination::of(request.message());
        if self.lanes.get(&destination).is_some_and(Lane::is_idle)
            && let Some(idle) = self.lanes.remove(&destination)
        {
            // It ends by itself.
            drop(idle.close());
        }
        self.lanes.get(&destination)
    }

    /// Moves the requests with keys that have a lane there.
    pub(super) fn divert(&mut self, requests: &mut std::collections::VecDeque<Request>) {
        if self.lanes.is_empty() {
            return;
        }
        for request in std::mem::take(requests) {
            match self.of(&request) {
                Some(lane) => hand_over(lane, request),
                None => requests.push_back(request),
            }
        }
    }

    /// Puts a request on the lane of its key, which begins now unless there is one.
    pub(super) fn give(&mut self, request: Request, cause: Cause) {
        let destination = Destination::of(request.message());
        if !self.lanes.contains_key(&destination) && self.lanes.len() >= MOST {
            self.close_idle();
        }
        if !self.lanes.contains_key(&destination) && self.lanes.len() >= MOST {
            let number = self.hasher.hash_one(&destination) as usize % self.lanes.len();
            if let Some(lane) = self.lanes.values().nth(number) {
                return hand_over(lane, request);
            }
        }
        let publishing = &self.publishing;
        let lane = self.lanes.entry(destination).or_insert_with_key(|destination| {
            let Destination { exchange, routing_key } = destination;
            match cause {
                Cause::Unconfirmed => warn!(
                    exchange = &**exchange,
                    key = &**routing_key,
                    "the broker does not confirm messages with this key: a queue they go to has no leader, or is slow; they go on \
                     a channel of their own until it does"
                ),
                Cause::Refused => {}
            }
            let requests = Arc::new(RequestQueue::default());
            let finish = CancellationToken::new();
            let owner = Owner::of_lane(Arc::clone(publishing), Arc::clone(&requests), cause);
            Lane { requests, pass: Arc::default(), owner: tokio::spawn(owner.run(finish.clone())), finish }
        });
        hand_over(lane, request);
    }

    fn close_idle(&mut self) {
        for (_, lane) in self.lanes.extract_if(|_, lane| lane.is_idle()) {
            drop(lane.close());
        }
    }

    /// Waits until all requests are answered.
    pub(super) async fn finish(&mut self) {
        let closed: Vec<_> = self.lanes.drain().map(|(_, lane)| lane.close()).collect();
        for owner in closed {
            // The runtime has reported a panic in it.
            let _ = owner.await;
        }
    }
}

fn hand_over(lane: &Lane, mut request: Request) {
    request.pass = Some(Arc::clone(&lane.pass));
    // Only a closed queue refuses, and a lane with requests is open; the request would answer its caller.
    let _ = lane.requests.add(request);
}
