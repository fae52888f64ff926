//! Dead letters: messages that subscribers gave up, to list, redrive or discard.
//!
//! ```
//! # use bloodbank_core::{Bus, DeadLetters, dead_letter::{Filter, Mode}};
//! # async fn example(bus: Bus) -> bloodbank_core::Result<()> {
//! let letters = DeadLetters::of(&bus, "shipping.ship");
//! for letter in letters.list(&Filter { limit: Some(20), ..Filter::default() }).await? {
//!     println!("{letter}, would decode now: {}", letter.decode().is_ok());
//! }
//! // Back to the queue of the subscriber that failed, and to no other.
//! let report = letters.redrive(&Filter::default(), Mode::DryRun).await?;
//! println!("{} would be handled again", report.done());
//! # Ok(()) }
//! ```
//!
//! No dead letter is removed before its copy is confirmed: a crash in between leaves a dead letter whose copy is under
//! way too, with the same event id. Each call holds the messages it has fetched; two concurrent redrives share the dead
//! letters between them, and each is redriven once.

mod death;
mod edited;
mod entry;
mod filter;
mod group;
mod handle;
mod keys;
mod letter;
mod sweep;

use std::sync::Arc;

pub use entry::{DeadLetterDetail, DeadLetterEntry, SweepReport, SweptDeadLetter};
pub use filter::Filter;
pub use group::{FailureGroup, Fingerprint, InvalidFingerprint};
pub use handle::{Handle, InvalidHandle};
pub use letter::DeadLetter;
use sweep::Action;
pub use sweep::{Mode, Report, Settled};

use crate::{
    error::Result,
    publish::{Bus, Prepared, Receipt},
    registry::linked_queues,
    transport::topology::dead_letter_queue,
};

/// The dead letters of one subscriber.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    bus: Bus,
    queue: Arc<str>,
    parked: Arc<str>,
}

impl DeadLetters {
    /// The dead letters of the subscriber with this queue: `{app}.{subscriber}`, or what its `queue = "…"` says.
    #[must_use]
    pub fn of(bus: &Bus, queue: impl Into<Arc<str>>) -> Self {
        let queue = queue.into();
        Self { bus: bus.clone(), parked: dead_letter_queue(&queue).into(), queue }
    }

    /// The dead letters of every subscriber and command that is linked into this program, with queues named as in the
    /// app `service`.
    #[must_use]
    pub fn linked(bus: &Bus, service: &str) -> Vec<Self> {
        linked_queues(service, bus.settings().command_queues())
            .into_iter()
            .map(|(queue, _)| Self::of(bus, queue))
            .collect()
    }

    /// The queue of the subscriber.
    #[must_use]
    pub fn queue(&self) -> &Arc<str> {
        &self.queue
    }

    /// The dead-letter queue of the subscriber.
    #[must_use]
    pub fn parked(&self) -> &Arc<str> {
        &self.parked
    }

    /// The number of dead letters that wait; those held by another call are not counted.
    ///
    /// # Errors
    /// Like [`DeadLetters::list`].
    pub async fn count(&self) -> Result<usize> {
        let browser = self.bus.transport().browse(Arc::clone(&self.parked)).await?;
        let count = browser.left();
        browser.finish().await?;
        Ok(count)
    }

    /// Lists the dead letters that pass a filter, the oldest first by the time of their last failure. They stay in the
    /// queue.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Topology`] when there is no such queue, [`crate::ErrorKind::Connection`],
    /// [`crate::ErrorKind::Closed`].
    pub async fn list(&self, filter: &Filter) -> Result<Vec<DeadLetter>> {
        sweep::list(self, filter).await
    }

    /// Redrives the dead letters that pass a filter: brings them back to the queue of the subscriber that failed, in
    /// their order, with the attempts counted from 1 again. A dead letter is removed once its copy is confirmed, and
    /// stays if it is not.
    ///
    /// # Errors
    /// Like [`DeadLetters::list`], when it cannot begin; what happens later is in the report.
    pub async fn redrive(&self, filter: &Filter, mode: Mode) -> Result<Report> {
        sweep::sweep(self, filter, Action::Redrive, mode).await
    }

    /// Replaces a dead letter by a corrected event, which [`Publish::prepare`](crate::publish::Publish::prepare) made: publishes the
    /// event to the queue of the subscriber that failed, and to no other; then removes the dead letter. `None`: there is no
    /// such dead letter, and nothing is published.
    ///
    /// The corrected event has an id of its own, and names the old event as its cause. It should be derived from the old id and the
    /// new payload, so that a replacement that is tried twice is handled once.
    ///
    /// # Errors
    /// Like [`DeadLetters::list`], and those of [`Bus::publish_prepared`]; the dead letter is still there then.
    pub async fn replace(&self, handle: Handle, corrected: Prepared) -> Result<Option<Receipt>> {
        edited::replace(self, handle, corrected).await
    }

    /// Discards the dead letters that pass a filter for good.
    ///
    /// # Errors
    /// Like [`DeadLetters::redrive`].
    pub async fn discard(&self, filter: &Filter, mode: Mode) -> Result<Report> {
        sweep::sweep(self, filter, Action::Discard, mode).await
    }
}
