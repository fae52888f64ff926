//! The work of a subscriber: one event after the other, or batches.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::{
    consume::intake::Intake,
    handler::{Context, Delivered, Target},
    registry::BatchPolicy,
    transport::{Delivery, Settlement},
};

/// An event that waits to be handled.
pub(super) struct Pending {
    pub(super) context: Context,
    pub(super) settlement: Settlement,
}

/// What is handled at once.
pub(super) enum Work {
    One(Pending),
    Batch(Vec<Pending>),
}

/// The work of a subscriber.
pub(super) struct Feed {
    target: Arc<Target>,
    intake: Intake,
    batch: Option<BatchPolicy>,
    /// The events of the next batch, and the time at which it begins at the latest.
    gathered: Vec<Pending>,
    deadline: Option<Instant>,
    /// An event that is handled alone, after the batch before it.
    alone: Option<Pending>,
    is_over: bool,
}

impl Feed {
    pub(super) fn new(target: Arc<Target>, intake: Intake, batch: Option<BatchPolicy>) -> Self {
        Self { target, intake, batch, gathered: Vec::new(), deadline: None, alone: None, is_over: false }
    }

    /// The next work; `None`: the transport is closed. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Work> {
        let Some(policy) = self.batch else { return self.event().await.map(Work::One) };
        loop {
            if self.gathered.is_empty() {
                if let Some(alone) = self.alone.take() {
                    return Some(Work::Batch(vec![alone]));
                }
                if self.is_over {
                    return None;
                }
            }
            if self.gathered.len() >= usize::from(policy.max) || self.alone.is_some() || self.is_over {
                return Some(self.finish());
            }
            let next = match self.deadline {
                Some(deadline) => match timeout_at(deadline, self.event()).await {
                    Ok(next) => next,
                    Err(_) => return Some(self.finish()),
                },
                None => self.event().await,
            };
            match next {
                None => self.is_over = true,
                Some(pending) if is_tried_alone(&pending.context) => self.alone = Some(pending),
                Some(pending) => {
                    self.deadline.get_or_insert_with(|| Instant::now() + policy.within);
                    self.gathered.push(pending);
                }
            }
        }
    }

    fn finish(&mut self) -> Work {
        self.deadline = None;
        Work::Batch(std::mem::take(&mut self.gathered))
    }

    async fn event(&mut self) -> Option<Pending> {
        let Delivery { mut message, redelivered, settlement } = self.intake.next().await?;
        message.restore_origin();
        let context = Context::new(Arc::clone(&self.target), Delivered { message, redelivered });
        Some(Pending { context, settlement })
    }
}

/// Whether an event is not put into a batch with others: it was in one that failed, or that may have ended its process, and if
/// the reason is this event, the others are not to fail with it again.
fn is_tried_alone(context: &Context) -> bool {
    context.attempt() > 1 || context.redelivered()
}
