//! Partitions: order by a field over several processes (`ordered_by(field), partitions = n`).
//!
//! The queue of the subscriber has one consumer at a time, whatever the number of processes: its [`router`], which publishes each
//! event to the partition of its field. A partition is a queue with one consumer at a time too, which handles one event after the
//! other. The processes share the partitions among them, by what the broker says about consumers: see [`share`]. Each of them consumes
//! a queue in which there is never anything, so that the number of its consumers is that of the processes.
//!
//! Which number of partitions is in use is noted on the broker. The router waits at a [`gate`] where it has another one, or where an
//! operator holds it; a partition that is empty then is let go, so that the broker shows when all of them are.

mod gate;
mod router;
mod share;

use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::{sync::watch, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};

use crate::{
    consume::{
        feed::Feed,
        intake::{Intake, Source},
        partitions::{
            gate::Gate,
            share::{Seen, SeenPartition, Step},
        },
        runtime::one_by_one,
        spec::SubscriberSpec,
        worker::Worker,
    },
    dedupe::Guard,
    error::{ErrorKind, Result},
    handler::Target,
    transport::{
        Deliveries, QueueStatus,
        topology::{members_name, partition_name},
    },
};

/// The time between two looks: a second on average, and not all processes at the same time.
fn interval() -> Duration {
    Duration::from_secs(1).mul_f64(0.5 + fastrand::f64())
}

/// Handles the partitions that are this process's share until `stop` is set or the transport is closed, and spreads the queue
/// when it is this process's turn; finishes the events in progress.
pub(crate) async fn run(
    target: Arc<Target>,
    spec: SubscriberSpec,
    guard: Option<Guard>,
    intake: Intake,
    paused: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let count = spec.options.partitions.unwrap_or(1).max(1);
    let queues: Vec<Arc<str>> = (0..count).map(|number| partition_name(&spec.queue, number).into()).collect();
    let worker = Worker::new(spec, guard);
    let (gate, draining) = Gate::new(Arc::clone(&target), count);
    let partitions = Partitions {
        members: members_name(&target.queue).into(),
        target: Arc::clone(&target),
        worker: worker.clone(),
        alone: vec![0; queues.len()],
        queues: queues.clone(),
        paused: paused.clone(),
        draining,
        held: BTreeMap::new(),
    };
    let stop = stop.child_token();
    let routing = async {
        route(&target, &worker.spec, queues, gate, (intake, paused), &stop).await;
        // The transport may be closed, and not the app.
        stop.cancel();
    };
    tokio::join!(routing, partitions.run(&stop));
}

/// Spreads the queue whenever the gate is open, until `stop` is set or the transport is closed.
async fn route(
    target: &Arc<Target>,
    spec: &SubscriberSpec,
    queues: Vec<Arc<str>>,
    mut gate: Gate,
    (intake, paused): (Intake, watch::Receiver<bool>),
    stop: &CancellationToken,
) {
    let mut first = Some(intake);
    loop {
        let intake = match first.take() {
            Some(intake) => intake,
            None if !gate.opens(stop).await => return,
            None => match consume(target, spec, &paused).await {
                Ok(intake) => intake,
                Err(error) if error.kind() == ErrorKind::Closed => return,
                Err(error) => {
                    warn!(queue = &*spec.queue, %error, "a router cannot go on yet; trying again");
                    sleep(interval()).await;
                    continue;
                }
            },
        };
        // An operator who sees no consumer has shut the gate before: so it is looked at by one that consumes.
        let is_open = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            is_open = gate.is_open() => is_open,
        };
        if !is_open {
            drop(intake);
            continue;
        }
        let going = stop.child_token();
        let last_look = gate.last_look();
        let routing = async {
            let feed = Feed::new(Arc::clone(target), intake, None);
            router::run(spec, queues.clone(), feed, last_look, &going).await;
            let is_over = !going.is_cancelled();
            going.cancel();
            is_over
        };
        let watching = async {
            tokio::select! {
                () = gate.shuts() => going.cancel(),
                () = going.cancelled() => {}
            }
        };
        let (is_over, ()) = tokio::join!(routing, watching);
        if is_over || stop.is_cancelled() {
            return;
        }
    }
}

/// Consumes the queue again.
async fn consume(target: &Arc<Target>, spec: &SubscriberSpec, paused: &watch::Receiver<bool>) -> Result<Intake> {
    let source = Source::of(&spec.queue, &spec.options);
    let deliveries = source.consume(&target.bus).await?;
    Ok(Intake::new(target.bus.clone(), source, deliveries, paused.clone(), spec.options.rate))
}

/// Reads what never comes: a consumer whose connection was lost begins again only while somebody waits for it.
async fn attend(member: &mut Option<Deliveries>) {
    if let Some(deliveries) = member {
        while let Some(delivery) = deliveries.next().await {
            delivery.ack();
        }
    }
    pending::<()>().await;
}

/// The partitions that this process consumes.
struct Partitions {
    target: Arc<Target>,
    worker: Worker,
    /// The queues of all partitions.
    queues: Vec<Arc<str>>,
    /// For how many looks nobody has consumed each of them.
    alone: Vec<u8>,
    /// The queue that every process consumes.
    members: Arc<str>,
    paused: watch::Receiver<bool>,
    /// Whether the router is held, and a partition is let go once it is empty.
    draining: watch::Receiver<bool>,
    held: BTreeMap<usize, Held>,
}

/// A partition that this process consumes.
struct Held {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Partitions {
    async fn run(mut self, stop: &CancellationToken) {
        let mut member = None;
        loop {
            if member.is_none() {
                member = self.join().await;
            }
            self.share(stop).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = attend(&mut member) => {}
                () = sleep(interval()) => {}
            }
        }
        for (_, held) in self.held {
            // It ends by itself, because its token is a child of `stop`.
            let _ = held.task.await;
        }
    }

    /// Is counted from now on; nothing ever comes.
    async fn join(&self) -> Option<Deliveries> {
        let joined = self.target.bus.transport().consume(Arc::clone(&self.members), 1).await;
        joined.inspect_err(|error| debug!(queue = &*self.members, %error, "cannot be counted yet")).ok()
    }

    /// Takes and gives up what leads to an equal share.
    async fn share(&mut self, stop: &CancellationToken) {
        // A task that has ended is not consumed any more.
        self.held.retain(|_, held| !held.task.is_finished());
        let Some(seen) = self.look().await else { return };
        for step in seen.steps() {
            match step {
                Step::Take(partition) => self.take(partition, stop).await,
                Step::GiveUp(partition) => self.give_up(partition).await,
            }
        }
    }

    /// Who consumes what; `None`: the broker does not say it now.
    async fn look(&mut self) -> Option<Seen> {
        // Where it is not known, what nobody consumes matters more than an equal share.
        let processes = self.status(&self.members).await.map_or(1, |status| status.consumers);
        let is_draining = *self.draining.borrow();
        let mut partitions = Vec::with_capacity(self.queues.len());
        for number in 0..self.queues.len() {
            let is_mine = self.held.contains_key(&number);
            let is_alone = !is_mine && {
                let QueueStatus { consumers, waiting, .. } = self.status(&self.queues[number]).await?;
                consumers == 0 && (waiting > 0 || !is_draining)
            };
            self.alone[number] = if is_alone { self.alone[number].saturating_add(1) } else { 0 };
            partitions.push(SeenPartition { is_mine, alone: self.alone[number] });
        }
        Some(Seen { processes, partitions })
    }

    /// The state of a queue; one that is missing is empty.
    async fn status(&self, queue: &Arc<str>) -> Option<QueueStatus> {
        match self.target.bus.transport().queue(Arc::clone(queue)).await {
            Ok(status) => Some(status.unwrap_or_else(|| QueueStatus::new(&**queue, 0, 0))),
            Err(error) => {
                debug!(queue = &**queue, %error, "cannot tell who consumes it");
                None
            }
        }
    }

    async fn take(&mut self, partition: usize, stop: &CancellationToken) {
        let (target, queue) = (&self.target, &self.queues[partition]);
        let source = Source::of(queue, &self.worker.spec.options);
        let deliveries = match source.consume(&target.bus).await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                warn!(queue = &**queue, %error, "a partition cannot be consumed yet; trying again");
                return;
            }
        };
        info!(queue = &**queue, "takes a partition");
        let intake = Intake::new(target.bus.clone(), source, deliveries, self.paused.clone(), None)
            .until_drained(self.draining.clone());
        let feed = Feed::new(Arc::clone(target), intake, None);
        let (worker, stop) = (self.worker.clone(), stop.child_token());
        let stopped = stop.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(async move { one_by_one(worker, feed, &stopped).await }));
        self.held.insert(partition, Held { stop, task });
    }

    /// Finishes what is in hand; the rest is for another process.
    async fn give_up(&mut self, partition: usize) {
        if let Some(held) = self.held.remove(&partition) {
            info!(queue = &*self.queues[partition], "gives a partition to another process");
            held.stop.cancel();
            let _ = held.task.await;
        }
    }
}
