//! Keys with dead letters: the lines of subscribers with `retry(park_key)`.

use std::sync::Arc;

use super::{DeadLetter, DeadLetters};
use crate::{
    app::parked_keys,
    error::Result,
    message::{Headers, names},
    store::{ParkedEvent, ParkedKey, ParkedKeys},
};

impl DeadLetters {
    /// The keys whose events are parked, where the subscriber parks keys (`retry(park_key)`): what comes of them follows into the
    /// dead letters. In the order of the keys.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Settings`] where no store of parked keys can be had; [`crate::ErrorKind::Storage`] when it does not answer.
    pub async fn keys(&self) -> Result<Vec<ParkedKey>> {
        parked_keys(&self.bus).await?.list(&self.queue).await
    }

    /// Releases a key: what comes of it is handled again, whatever is parked. For keys whose dead letters are gone in another way
    /// than by [`DeadLetters::redrive`] or [`DeadLetters::discard`]. Returns the number of events that were held to be parked.
    ///
    /// # Errors
    /// Like [`DeadLetters::keys`].
    pub async fn release(&self, key: &str) -> Result<u64> {
        parked_keys(&self.bus).await?.release(&self.queue, key).await
    }

    /// The store of parked keys, if any of these dead letters has a place in it.
    pub(super) async fn lines_of<'a>(
        &self,
        mut letters: impl Iterator<Item = &'a DeadLetter>,
    ) -> Result<Option<Arc<dyn ParkedKeys>>> {
        match letters.any(|letter| letter.key.is_some()) {
            true => parked_keys(&self.bus).await.map(Some),
            false => Ok(None),
        }
    }
}

impl DeadLetter {
    /// Its place in the line of its key, if it has one.
    fn parked_event(&self) -> Option<ParkedEvent> {
        let place = self.message.properties.headers.text(names::PARKED_PLACE).and_then(|id| id.parse().ok());
        let event_id = place.or(self.event_id)?;
        Some(ParkedEvent { queue: Arc::clone(&self.queue), key: self.key.as_deref()?.into(), event_id })
    }

    /// Takes it out of the line of its key: it is discarded.
    pub(super) async fn leave_line(&self, lines: Option<&Arc<dyn ParkedKeys>>) -> Result<()> {
        match (lines, self.parked_event()) {
            (Some(lines), Some(event)) => lines.remove(&event).await,
            _ => Ok(()),
        }
    }

    /// Gives a corrected event the place in the line.
    pub(super) fn hand_on_place(&self, headers: &mut Headers) {
        let Some(event) = self.parked_event() else { return };
        headers.set(names::PARKED_KEY, &*event.key);
        headers.set(names::PARKED_PLACE, event.event_id.to_string());
        if let Some(position) = self.position {
            headers.set(names::PARKED_POSITION, position);
        }
    }
}
