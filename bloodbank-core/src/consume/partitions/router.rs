//! The router of a subscriber: publishes each event to the partition of its field, in order.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    consume::{
        feed::{Feed, Pending, Work},
        partitions::gate::LastLook,
        settle::{copy, publish_copy},
        spec::SubscriberSpec,
    },
    handler::Context,
    message::names,
    transport::Settlement,
};

/// The number of events that wait for a partition within the router.
const WAITING: usize = 64;

/// Spreads the queue until `stop` is set or the transport is closed. What is not confirmed then goes back to the queue, to its
/// place.
pub(super) async fn run(
    spec: &SubscriberSpec,
    queues: Vec<Arc<str>>,
    mut feed: Feed,
    mut last_look: LastLook,
    stop: &CancellationToken,
) {
    let mut tasks = JoinSet::new();
    let lanes: Vec<_> = queues
        .into_iter()
        .map(|queue| {
            let (sender, receiver) = mpsc::channel(WAITING);
            tasks.spawn(forward(queue, receiver, last_look.clone(), stop.clone()));
            sender
        })
        .collect();
    loop {
        let work = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            work = feed.next() => work,
        };
        let Some(Work::One(pending)) = work else { break };
        if !last_look.holds(stop).await {
            break;
        }
        // What cannot be read is given up by the one who handles it.
        let lane = spec.lane.as_ref().and_then(|lane| lane(&pending.context)).unwrap_or_default();
        let index = usize::try_from(lane % lanes.len() as u64).unwrap_or_default();
        if lanes[index].send(pending).await.is_err() {
            break;
        }
    }
    drop(lanes);
    // First what is under way: the queue gives the next router what this one has not acknowledged.
    while tasks.join_next().await.is_some() {}
    drop(feed);
}

/// Publishes the events of one partition, one after the other: the next one only when the broker has the one before, so that no
/// refusal and no lost connection can change their order.
async fn forward(
    queue: Arc<str>,
    mut events: mpsc::Receiver<Pending>,
    mut last_look: LastLook,
    stop: CancellationToken,
) {
    while let Some(Pending { context, settlement }) = events.recv().await {
        if !settlement.is_open() {
            // It comes again, on the next connection, and so does what is behind it.
            continue;
        }
        if stop.is_cancelled() || !last_look.holds(&stop).await || !publish(&queue, &context, &settlement, &stop).await
        {
            return;
        }
        settlement.ack();
    }
}

/// Publishes an event until the broker has it, or until it comes again; `false`: the program stops meanwhile.
async fn publish(queue: &Arc<str>, context: &Context, settlement: &Settlement, stop: &CancellationToken) -> bool {
    let mut delay = Duration::from_millis(100);
    loop {
        let mut copy = copy(context, "");
        copy.routing_key = Arc::clone(queue);
        if context.deaths() > 0 {
            copy.properties.headers.set(names::RETURNED, context.deaths());
        }
        let Err(error) = publish_copy(copy, context).await else { return true };
        if !settlement.is_open() {
            // Another router has it by now, and publishes it before what comes behind it.
            return true;
        }
        warn!(%queue, event_id = %context.event_id(), %error, "a partition does not take an event; trying again");
        tokio::select! {
            () = stop.cancelled() => return false,
            () = sleep(delay) => delay = (delay * 2).min(Duration::from_secs(5)),
        }
    }
}
