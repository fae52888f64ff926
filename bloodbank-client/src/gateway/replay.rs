//! Replays by a gateway.

use bloodbank_core::replay::{ReplayPlan, ReplayProgress, ReplayRequest};
use serde::Deserialize;
use uuid::Uuid;

use super::GatewayClient;
use crate::error::Result;

impl GatewayClient {
    pub(crate) async fn plan_replay(&self, request: &ReplayRequest) -> Result<ReplayPlan> {
        #[derive(Deserialize)]
        struct Planned {
            plan: ReplayPlan,
        }
        let url = self.url_of(&["replays"])?;
        let response = self.send(self.http.post(url).query(&[("dry_run", true)]).json(request)).await?;
        self.read::<Planned>(response).await.map(|planned| planned.plan)
    }

    pub(crate) async fn start_replay(&self, request: &ReplayRequest) -> Result<ReplayProgress> {
        let response = self.send(self.http.post(self.url_of(&["replays"])?).json(request)).await?;
        self.read(response).await
    }

    pub(crate) async fn replay(&self, id: Uuid) -> Result<ReplayProgress> {
        let response = self.send(self.http.get(self.url_of(&["replays", &id.to_string()])?)).await?;
        self.read(response).await
    }

    pub(crate) async fn cancel_replay(&self, id: Uuid) -> Result<ReplayProgress> {
        let response = self.send(self.http.delete(self.url_of(&["replays", &id.to_string()])?)).await?;
        self.read(response).await
    }
}
