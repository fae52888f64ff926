//! Dead letters through a gateway.

use bloodbank_core::dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter, Mode, SweepReport};
use serde::Deserialize;

use super::GatewayClient;
use crate::{
    dead_letter::{SweepAction, query, sweep_query},
    error::{ClientError, Result},
};

impl GatewayClient {
    pub(crate) async fn dead_letters(
        &self,
        queue: &str,
        filter: &Filter,
        detail: DeadLetterDetail,
    ) -> Result<Vec<DeadLetterEntry>> {
        #[derive(Deserialize)]
        struct Listing {
            letters: Vec<DeadLetterEntry>,
        }
        let request = self.http.get(self.url_of(&["dead-letters", queue])?).query(&query(filter));
        let request = request.query(&[("whole", detail == DeadLetterDetail::Message)]);
        match self.send_unless_missing(request).await? {
            Some(response) => self.read::<Listing>(response).await.map(|listing| listing.letters),
            None => Err(ClientError::NoQueue { queue: queue.to_owned() }),
        }
    }

    pub(crate) async fn sweep_dead_letters(
        &self,
        queue: &str,
        filter: &Filter,
        action: SweepAction,
        mode: Mode,
    ) -> Result<SweepReport> {
        let request = self.http.post(self.url_of(&["dead-letters", queue, action.name()])?).query(&sweep_query(filter));
        let response = self.send(request.query(&[("dry_run", mode == Mode::DryRun)])).await?;
        self.read(response).await
    }
}
