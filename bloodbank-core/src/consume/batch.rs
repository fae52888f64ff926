//! The settling of batches: each event of one is settled by itself.

use futures_util::future::join_all;

use crate::{
    consume::{
        feed::Pending,
        follow_ups::publish_collected,
        settle::{Outcome, fail, unpublished},
        worker::Counters,
    },
    dedupe::Lease,
    event::EventCollector,
    handler::HandlerError,
    registry::SubscriberOptions,
};

/// An event of a batch.
pub(super) struct Member {
    pub(super) pending: Pending,
    pub(super) lease: Option<Lease>,
}

/// Settles the events of a batch according to the result of their handler. Its follow-ups have all of them as causes; an error
/// is one of each of them, with an attempt of its own.
pub(super) async fn settle_batch(
    members: Vec<Member>,
    options: &SubscriberOptions,
    result: Result<EventCollector, HandlerError>,
    counters: &Counters,
) {
    let result = match (result, members.first()) {
        (Ok(events), Some(first)) if !events.is_empty() => {
            match publish_collected(events, &first.pending.context).await {
                Ok(_) => Ok(()),
                Err(error) => Err(unpublished(&error)),
            }
        }
        (result, _) => result.map(drop),
    };
    let settled = members.into_iter().map(|Member { pending: Pending { context, settlement }, lease }| {
        let result = &result;
        async move {
            let failure = context.unreadable().or(result.as_ref().err());
            let outcome = match failure {
                Some(failure) => fail(settlement, &context, options, failure, lease.as_ref()).await,
                None => {
                    if let Some(lease) = &lease {
                        lease.done().await;
                    }
                    settlement.ack();
                    Outcome::Ack
                }
            };
            counters.count(outcome);
        }
    });
    join_all(settled).await;
}
