//! The runtime of one subscriber: takes deliveries and hands them to a worker, one after the other or several at a time.

use std::{pin::pin, sync::Arc};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    consume::{
        ahead::Ahead,
        behind::Behind,
        feed::{Feed, Pending, Work},
        intake::Intake,
        spec::SubscriberSpec,
        worker::Worker,
    },
    dedupe::{Asked, Guard},
    handler::Target,
};

/// Handles deliveries until `stop` is set or the transport is closed, and finishes the events in progress.
pub(crate) async fn run(
    target: Arc<Target>,
    spec: SubscriberSpec,
    guard: Option<Guard>,
    intake: Intake,
    stop: CancellationToken,
) {
    let feed = Feed::new(target, intake, spec.options.batch);
    let worker = Worker::new(spec, guard);
    let concurrency = usize::from(worker.spec.options.concurrency.max(1));
    if concurrency == 1 {
        one_by_one(worker, feed, &stop).await;
    } else if worker.spec.lane.is_some() {
        in_lanes(worker, concurrency, feed, &stop).await;
    } else {
        at_once(worker, concurrency, feed, &stop).await;
    }
}

/// Handles one event or batch at a time, in order, without a task for each. The next one begins when the handler of the one
/// before has returned and its follow-ups are handed to the publisher; their confirms are awaited behind it.
pub(super) async fn one_by_one(mut worker: Worker, mut feed: Feed, stop: &CancellationToken) {
    let mut stopped = pin!(stop.cancelled());
    let (mut behind, mut ahead) = (Behind::default(), Ahead::new(worker.guard()));
    loop {
        let next = tokio::select! {
            biased;
            () = &mut stopped => None,
            next = behind.during(ahead.next(&mut feed, worker.ahead())) => next,
        };
        let Some((work, asked)) = next else { break };
        ahead.during(handle(&mut worker, work, asked, &mut behind)).await;
    }
    drop(feed);
    behind.during(ahead.close()).await;
    behind.finish().await;
}

/// Handles an event or a batch, and settles it behind the next one, unless it is to be settled before.
async fn handle(worker: &mut Worker, work: Work, asked: Option<Asked>, behind: &mut Behind) {
    let settles_before_next = worker.settles_before_next();
    match behind.during(worker.handle(work, asked)).await {
        Some(settling) if settles_before_next => behind.during(settling).await,
        Some(settling) => behind.add(settling).await,
        None => {}
    }
}

/// Handles several events or batches at a time, each in a task of its own.
async fn at_once(worker: Worker, concurrency: usize, mut feed: Feed, stop: &CancellationToken) {
    let permits = Arc::new(Semaphore::new(concurrency));
    // They end with this future where they take too long.
    let mut tasks = JoinSet::new();
    let mut stopped = pin!(stop.cancelled());
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((feed.next().await?, permit))
        };
        let next = tokio::select! {
            biased;
            () = &mut stopped => None,
            next = next => next,
        };
        let Some((work, permit)) = next else { break };
        while tasks.try_join_next().is_some() {}
        let mut worker = worker.clone();
        tasks.spawn(async move {
            let settling = worker.handle(work, None).await;
            let _held = worker.settles_before_next().then_some(permit);
            if let Some(settling) = settling {
                settling.await;
            }
        });
    }
    drop(feed);
    while tasks.join_next().await.is_some() {}
}

/// Handles several events at a time, but those of one lane one after the other.
async fn in_lanes(worker: Worker, concurrency: usize, mut feed: Feed, stop: &CancellationToken) {
    let mut tasks = JoinSet::new();
    let lanes: Vec<_> = (0..concurrency)
        .map(|_| {
            let (sender, mut receiver) = mpsc::channel::<Pending>(usize::from(worker.spec.options.most_prefetch()));
            let (mut worker, stop) = (worker.clone(), stop.clone());
            tasks.spawn(async move {
                let (mut behind, mut ahead) = (Behind::default(), Ahead::new(worker.guard()));
                while let Some((work, asked)) = behind.during(ahead.next(&mut receiver, worker.ahead())).await {
                    // What has not begun when the app stops goes back to the queue.
                    if stop.is_cancelled() {
                        ahead.put_back(work, asked);
                        break;
                    }
                    ahead.during(handle(&mut worker, work, asked, &mut behind)).await;
                }
                drop(receiver);
                behind.during(ahead.close()).await;
                behind.finish().await;
            });
            sender
        })
        .collect();
    let mut stopped = pin!(stop.cancelled());
    let mut turn = 0;
    loop {
        let work = tokio::select! {
            biased;
            () = &mut stopped => None,
            work = feed.next() => work,
        };
        // Batches have no lanes.
        let Some(Work::One(pending)) = work else { break };
        let lane = worker.spec.lane.as_ref().and_then(|lane| lane(&pending.context)).unwrap_or_else(|| {
            turn += 1;
            turn
        });
        let index = usize::try_from(lane % concurrency as u64).unwrap_or(0);
        if lanes[index].send(pending).await.is_err() {
            break;
        }
    }
    drop(feed);
    drop(lanes);
    while tasks.join_next().await.is_some() {}
}
