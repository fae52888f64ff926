//! Publishing: callers put messages into an [`intake::Intake`], one [`owner::Owner`] sends them.

mod flight;
mod intake;
mod job;
mod owner;
mod pipeline;
mod window;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::publish::{intake::Intake, owner::Owner};
use bloodbank_core::{
    Result,
    message::{Outgoing, Published},
};

/// How long messages in flight may take to be confirmed when the transport is closed.
const FLUSHING: Duration = Duration::from_secs(5);

/// Publishes through one task that owns the channel.
pub(super) struct Publisher {
    intake: Arc<Intake>,
    /// Set when nothing more comes.
    finish: CancellationToken,
    /// Set when what is left is given up.
    abandon: CancellationToken,
    owner: Mutex<Option<JoinHandle<()>>>,
}

impl Publisher {
    pub(super) fn start(link: &Arc<Link>, window: usize) -> Self {
        let intake = Arc::new(Intake::default());
        let (finish, abandon) = (CancellationToken::new(), CancellationToken::new());
        let owner = Owner::new(Arc::clone(link), Arc::clone(&intake), window);
        Self {
            intake,
            owner: Mutex::new(Some(tokio::spawn(owner.run(finish.clone(), abandon.clone())))),
            finish,
            abandon,
        }
    }

    pub(super) fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        self.intake.publish(message)
    }

    /// Takes no more messages, and waits a while until those it has are confirmed.
    pub(super) async fn close(&self) {
        self.intake.close();
        self.finish.cancel();
        // Whoever closes at the same time waits too: the connection must not go before the messages.
        let mut owner = self.owner.lock().await;
        let Some(running) = owner.as_mut() else { return };
        if tokio::time::timeout(FLUSHING, &mut *running).await.is_err() {
            self.abandon.cancel();
            // It answers what is left and ends; a panic in it has been reported by the runtime.
            let _ = running.await;
        }
        *owner = None;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.intake.close();
        self.abandon.cancel();
    }
}
