//! Publishing many events: the window stays full.

use futures_util::{
    StreamExt,
    future::{Either, ready},
    stream,
};

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
            .map(|event| {
                // Handed over here, so that what waits for the confirm holds no event and stays small.
                match Publish::new(self, event).draft() {
                    Ok(draft) => Either::Left(self.send(draft)),
                    Err(error) => Either::Right(ready(Err(error))),
                }
            })
            .buffered(self.window())
            .collect()
            .await
    }
}
