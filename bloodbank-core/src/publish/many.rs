//! Publishing many events: the window stays full.

use futures_util::{StreamExt, stream};

use crate::{
    error::Result,
    event::Event,
    publish::{Bus, Publish, Receipt},
};

impl Bus {
    /// Publishes events one after the other without waiting for each confirm: as many are in flight as the window
    /// allows. The receipts come in the order of the events; one that fails does not stop those after it.
    pub async fn publish_all<E: Event>(
        &self,
        events: impl IntoIterator<Item = E, IntoIter: Send> + Send,
    ) -> Vec<Result<Receipt>> {
        stream::iter(events)
            .map(|event| async move { self.send(Publish::new(self, event).draft()?).await })
            .buffered(self.window())
            .collect()
            .await
    }
}
