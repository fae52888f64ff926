//! Publishing of many events with a full in-flight window.

use std::{collections::VecDeque, pin::Pin};

use futures_util::future::{BoxFuture, Either, ready};

use crate::{
    error::Result,
    event::Event,
    publish::{Bus, Receipt},
};

impl Bus {
    /// Publishes events without waiting for each confirm: as many are in flight as the window allows. The receipts come
    /// in the order of the events; an event that fails does not stop those after it.
    // No `async fn`: its future would repeat the bounds, and the compiler what does not satisfy them.
    pub fn publish_all<'a, E: Event>(
        &'a self,
        events: impl IntoIterator<Item = E, IntoIter: Send + 'a>,
    ) -> BoxFuture<'a, Vec<Result<Receipt>>> {
        // Handed over as they are written, so that what waits for the confirm holds no event and stays small.
        let send = |event| match self.publish(event).prepare() {
            Ok(prepared) => Either::Left(self.publish_prepared(prepared)),
            Err(error) => Either::Right(ready(Err(error))),
        };
        // Some wait for their turn, so that it can go on at once where others are confirmed.
        Box::pin(in_order(events.into_iter(), self.window() + self.window() / 4, send))
    }
}

/// Sends events and waits only for the oldest in flight: as a rule it is confirmed first, and one wake-up serves all
/// behind it.
async fn in_order<E, F: Future<Output = Result<Receipt>>>(
    events: impl Iterator<Item = E>,
    window: usize,
    send: impl Fn(E) -> F,
) -> Vec<Result<Receipt>> {
    let mut receipts = Vec::with_capacity(events.size_hint().0);
    let mut in_flight: VecDeque<Pin<Box<F>>> = VecDeque::with_capacity(window);
    for event in events {
        let spare = if in_flight.len() < window { None } else { landed(&mut in_flight, &mut receipts).await };
        in_flight.push_back(match spare {
            Some(mut spare) => {
                spare.set(send(event));
                spare
            }
            None => Box::pin(send(event)),
        });
    }
    while landed(&mut in_flight, &mut receipts).await.is_some() {}
    receipts
}

/// Waits for the oldest event in flight; returns its box, which can be used again.
async fn landed<F: Future<Output = Result<Receipt>>>(
    in_flight: &mut VecDeque<Pin<Box<F>>>,
    receipts: &mut Vec<Result<Receipt>>,
) -> Option<Pin<Box<F>>> {
    let mut oldest = in_flight.pop_front()?;
    receipts.push(oldest.as_mut().await);
    Some(oldest)
}
