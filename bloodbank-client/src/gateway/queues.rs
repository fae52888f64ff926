//! The queues of the bus through a gateway.

use bloodbank_core::transport::QueueStatus;
use serde::Deserialize;

use super::GatewayClient;
use crate::error::Result;

impl GatewayClient {
    /// The state of every queue; `None` where the bus of the gateway cannot list them.
    pub(crate) async fn queues(&self) -> Result<Option<Vec<QueueStatus>>> {
        #[derive(Deserialize)]
        struct Listing {
            queues: Vec<QueueStatus>,
        }
        match self.send_unless_missing(self.http.get(self.url_of(&["queues"])?)).await? {
            Some(response) => Ok(Some(self.read::<Listing>(response).await?.queues)),
            None => Ok(None),
        }
    }

    pub(crate) async fn queue(&self, name: &str) -> Result<Option<QueueStatus>> {
        match self.send_unless_missing(self.http.get(self.url_of(&["queues", name])?)).await? {
            Some(response) => Ok(Some(self.read(response).await?)),
            None => Ok(None),
        }
    }
}
