//! Events whose leases are acquired while the ones before them are handled (`dedupe`).

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesOrdered,
};
use tokio::sync::mpsc;

use super::feed::{Feed, Pending, Work};
use crate::dedupe::{Asked, Guard};

/// Where the events of a worker come from. Nothing is lost when the future is dropped.
pub(super) trait Source {
    fn next(&mut self) -> impl Future<Output = Option<Work>> + Send;
}

impl Source for Feed {
    fn next(&mut self) -> impl Future<Output = Option<Work>> + Send {
        Feed::next(self)
    }
}

impl Source for mpsc::Receiver<Pending> {
    async fn next(&mut self) -> Option<Work> {
        self.recv().await.map(Work::One)
    }
}

type Asking = BoxFuture<'static, (Work, Option<Asked>)>;

/// The next events of one worker, in their order. Batches ask for themselves, and are never ahead.
pub(super) struct Ahead {
    guard: Option<Guard>,
    asking: FuturesOrdered<Asking>,
    asked: VecDeque<(Work, Option<Asked>)>,
    is_over: bool,
}

impl Ahead {
    pub(super) fn new(guard: Option<Guard>) -> Self {
        Self { guard, asking: FuturesOrdered::new(), asked: VecDeque::new(), is_over: false }
    }

    /// The next event, when it is its turn, with as many behind it as `most` says; `None`: there are no more. Nothing is lost
    /// when the future is dropped.
    pub(super) async fn next(&mut self, source: &mut impl Source, most: usize) -> Option<(Work, Option<Asked>)> {
        loop {
            let Some(guard) = self.guard.clone() else { return Some((source.next().await?, None)) };
            let is_empty = self.asking.is_empty() && self.asked.is_empty();
            if self.is_over && is_empty {
                return None;
            }
            if most == 0 && is_empty {
                return Some((source.next().await?, None));
            }
            let has_room = !self.is_over && self.asking.len() + self.asked.len() < most;
            tokio::select! {
                // Those that are there are asked for together.
                biased;
                work = source.next(), if has_room => match work {
                    Some(work) => self.asking.push_back(ask(guard, work)),
                    None => self.is_over = true,
                },
                first = self.first(), if !is_empty => return Some(first),
            }
        }
    }

    /// Resolves with the work, and goes on with asking meanwhile: what asks may hold a connection that the work waits for.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            self.go_on(cx);
            done
        })
        .await
    }

    /// Puts back an event whose turn does not come.
    pub(super) fn put_back(&mut self, work: Work, asked: Option<Asked>) {
        self.asked.push_front((work, asked));
    }

    /// Gives back every lease that was acquired ahead. The events go back to the queue afterwards: whoever gets them finds
    /// them free.
    pub(super) async fn close(mut self) {
        let Some(guard) = self.guard.take() else { return };
        while let Some(asked) = self.asking.next().await {
            self.asked.push_back(asked);
        }
        let given_back = self.asked.into_iter().map(|(work, asked)| {
            let guard = &guard;
            async move {
                if let (Work::One(pending), Some(asked)) = (&work, asked)
                    && let Some(event_id) = pending.context.handled_id()
                {
                    guard.give_back(event_id, asked).await;
                }
            }
        });
        join_all(given_back).await;
    }

    async fn first(&mut self) -> (Work, Option<Asked>) {
        poll_fn(|cx| {
            self.go_on(cx);
            self.asked.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn go_on(&mut self, cx: &mut Context<'_>) {
        while !self.asking.is_empty()
            && let Poll::Ready(Some(asked)) = Pin::new(&mut self.asking).poll_next(cx)
        {
            self.asked.push_back(asked);
        }
    }
}

fn ask(guard: Guard, work: Work) -> Asking {
    Box::pin(async move {
        let event_id = match &work {
            // What is over, or comes again, is not handled.
            Work::One(pending) if pending.settlement.is_open() && !pending.context.has_expired() => {
                pending.context.handled_id()
            }
            Work::One(_) | Work::Batch(_) => None,
        };
        let asked = match event_id {
            Some(event_id) => guard.ask_ahead(event_id).await,
            None => None,
        };
        (work, asked)
    })
}
