//! The gate of the router: events are spread while this process has the number of partitions that is noted on the broker, and while
//! nobody holds the router.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    error::{ErrorKind, Result},
    handler::Target,
    transport::{LOOK_HOLDS, Partitions, Spreading},
};

/// The time between two looks while the gate is shut. The broker answers each with a refusal, which it writes into its log.
const SHUT: Duration = Duration::from_secs(2);

/// What the last look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    /// An operator lets the router wait.
    Held,
    /// Others spread the events to so many partitions.
    Other(u16),
    /// Nothing is noted: an operator may be between two notes.
    Free,
}

pub(super) struct Gate {
    target: Arc<Target>,
    /// The number of partitions of this process.
    partitions: u16,
    standing: Standing,
    held: watch::Sender<bool>,
    looked: watch::Sender<Instant>,
}

/// When the gate was looked at for the last time.
#[derive(Clone)]
pub(super) struct LastLook(watch::Receiver<Instant>);

impl LastLook {
    /// Waits for the next look if the last one holds no longer, because this process stood still or has lost its connection; `false`:
    /// the router stops.
    pub(super) async fn holds(&mut self, stop: &CancellationToken) -> bool {
        while self.0.borrow_and_update().elapsed() > LOOK_HOLDS {
            let looked = tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                looked = self.0.changed() => looked,
            };
            if looked.is_err() {
                return false;
            }
        }
        true
    }
}

impl Gate {
    /// A gate, and whether an operator holds the router.
    pub(super) fn new(target: Arc<Target>, partitions: u16) -> (Self, watch::Receiver<bool>) {
        let (held, is_held) = watch::channel(false);
        let looked = watch::Sender::new(Instant::now());
        (Self { target, partitions, standing: Standing::Open, held, looked }, is_held)
    }

    pub(super) fn last_look(&self) -> LastLook {
        LastLook(self.looked.subscribe())
    }

    /// Resolves when the gate is open; `false`: the program stops.
    pub(super) async fn opens(&mut self, stop: &CancellationToken) -> bool {
        let opens = async {
            while !self.is_open().await {
                sleep(SHUT.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = opens => true,
        }
    }

    /// Resolves when the gate is shut.
    pub(super) async fn shuts(&mut self) {
        loop {
            sleep(super::interval()).await;
            if !self.is_open().await {
                return;
            }
        }
    }

    /// Looks; where the broker does not answer, nothing has changed.
    pub(super) async fn is_open(&mut self) -> bool {
        let now = Instant::now();
        match self.look().await {
            Ok(standing) => {
                self.stand(standing);
                if standing == Standing::Open {
                    self.looked.send_replace(now);
                }
            }
            // Who consumes sees that there is nothing to wait for.
            Err(error) if error.kind() == ErrorKind::Closed => self.standing = Standing::Open,
            Err(error) => debug!(queue = &*self.target.queue, %error, "cannot tell how its events are spread"),
        }
        self.standing == Standing::Open
    }

    async fn look(&self) -> Result<Standing> {
        let bus = &self.target.bus;
        let partitions = Partitions::of(bus.transport(), Arc::clone(&self.target.queue), bus.settings().queue_kind);
        if self.standing == Standing::Open && partitions.claim(self.partitions).await? {
            return Ok(Standing::Open);
        }
        Ok(match partitions.spreading().await? {
            Some(Spreading::To(number)) if number == self.partitions => Standing::Open,
            Some(Spreading::To(number)) => Standing::Other(number),
            Some(Spreading::Held(_)) => Standing::Held,
            None if self.standing == Standing::Free && partitions.claim(self.partitions).await? => Standing::Open,
            None => Standing::Free,
        })
    }

    fn stand(&mut self, standing: Standing) {
        let (queue, partitions) = (&*self.target.queue, self.partitions);
        self.held.send_if_modified(|held| std::mem::replace(held, standing == Standing::Held) != *held);
        let before = std::mem::replace(&mut self.standing, standing);
        if before == standing {
            return;
        }
        match standing {
            Standing::Open => info!(queue, partitions, "spreads the events to the partitions"),
            Standing::Held => info!(
                queue,
                "the router is held, and events wait in the queue; `bb topology partitions switch` lets it go on with another number \
                 of partitions, `resume` with the same one"
            ),
            Standing::Other(spread_to) => warn!(
                queue,
                partitions,
                spread_to,
                "this process does not spread events, because another number of partitions is in use; start it with that number, or \
                 change it with `bb topology partitions drain` and `switch`"
            ),
            Standing::Free => {}
        }
    }
}
