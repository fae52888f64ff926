//! Replays, whichever way to the bus is open.

use bloodbank_core::replay::{ReplayPlan, ReplayProgress, ReplayRequest, ReplayState, RunningReplay};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Connection;
use crate::{error::Result, gateway::GatewayClient};

/// A replay that was started through a connection: in this process, or by the gateway.
#[derive(Debug)]
pub struct StartedReplay(Runner);

#[derive(Debug)]
enum Runner {
    Here { running: RunningReplay, cancel: CancellationToken },
    Gateway { gateway: GatewayClient, id: Uuid },
}

impl Connection {
    /// Counts what a replay would send, without sending anything.
    ///
    /// # Errors
    /// When there is no such queue or no journal; otherwise when neither bus nor gateway answers.
    pub async fn plan_replay(&self, request: &ReplayRequest) -> Result<ReplayPlan> {
        match self {
            Self::Bus(bus) => Ok(request.on(bus).plan().await?),
            Self::Gateway(gateway) => gateway.plan_replay(request).await,
        }
    }

    /// Starts a replay. One on the bus itself ends with this process; a gateway goes on with it.
    ///
    /// # Errors
    /// When the gateway refuses it. What is wrong with a replay on the bus itself is in its progress.
    pub async fn start_replay(&self, request: &ReplayRequest) -> Result<StartedReplay> {
        Ok(StartedReplay(match self {
            Self::Bus(bus) => {
                let running = request.on(bus).start();
                Runner::Here { cancel: running.cancellation(), running }
            }
            Self::Gateway(gateway) => {
                Runner::Gateway { gateway: gateway.clone(), id: gateway.start_replay(request).await?.id }
            }
        }))
    }
}

impl StartedReplay {
    /// How far it has come.
    ///
    /// # Errors
    /// When the gateway does not answer, or does not know it any more because it was started again.
    pub async fn progress(&self) -> Result<ReplayProgress> {
        match &self.0 {
            Runner::Here { running, .. } => Ok(running.progress().borrow().clone()),
            Runner::Gateway { gateway, id } => gateway.replay(*id).await,
        }
    }

    /// Cancels it, and waits until what is on its way is confirmed.
    ///
    /// # Errors
    /// Like [`StartedReplay::progress`].
    pub async fn cancel(&self) -> Result<ReplayProgress> {
        match &self.0 {
            Runner::Here { running, cancel } => {
                cancel.cancel();
                let mut progress = running.progress();
                // Its sender goes with its task.
                let _ = progress.wait_for(|progress| progress.state != ReplayState::Running).await;
                let stopped = progress.borrow().clone();
                Ok(stopped)
            }
            Runner::Gateway { gateway, id } => gateway.cancel_replay(*id).await,
        }
    }
}
