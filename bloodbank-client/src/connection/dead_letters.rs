//! Dead letters, whichever way to the bus is open.

use bloodbank_core::{
    DeadLetters,
    dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter, Mode, SweepReport},
};

use super::Connection;
use crate::{dead_letter::SweepAction, error::Result};

impl Connection {
    /// The dead letters of a subscriber's queue that pass a filter, the oldest first. They stay where they are.
    ///
    /// # Errors
    /// An error for which [`ClientError::is_missing_queue`](crate::ClientError::is_missing_queue) holds when there is no
    /// such queue; otherwise when neither bus nor gateway answers.
    pub async fn dead_letters(
        &self,
        queue: &str,
        filter: &Filter,
        detail: DeadLetterDetail,
    ) -> Result<Vec<DeadLetterEntry>> {
        match self {
            Self::Bus(bus) => {
                let letters = DeadLetters::of(bus, queue).list(filter).await?;
                Ok(letters.iter().map(|letter| DeadLetterEntry::of(letter, detail)).collect())
            }
            Self::Gateway(gateway) => gateway.dead_letters(queue, filter, detail).await,
        }
    }

    /// Redrives or discards the dead letters of a subscriber's queue that pass a filter.
    ///
    /// # Errors
    /// Like [`Connection::dead_letters`]; what is wrong with a single dead letter is in the report.
    pub async fn sweep_dead_letters(
        &self,
        queue: &str,
        filter: &Filter,
        action: SweepAction,
        mode: Mode,
    ) -> Result<SweepReport> {
        match self {
            Self::Bus(bus) => {
                let letters = DeadLetters::of(bus, queue);
                let report = match action {
                    SweepAction::Redrive => letters.redrive(filter, mode).await,
                    SweepAction::Discard => letters.discard(filter, mode).await,
                };
                Ok(report?.into())
            }
            Self::Gateway(gateway) => gateway.sweep_dead_letters(queue, filter, action, mode).await,
        }
    }
}
