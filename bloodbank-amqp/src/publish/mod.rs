//! Publishing: callers put requests into a [`request_queue::RequestQueue`], one [`owner::Owner`] sends them.

mod in_flight;
mod lanes;
mod owner;
mod pipeline;
mod request;
mod request_queue;
mod route_memory;
mod stall;
mod window;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) use crate::publish::route_memory::RouteMemory;
use crate::publish::{lanes::Publishing, owner::Owner, request_queue::RequestQueue};
use crate::{journal_sign::JournalSign, supervisor::SupervisedConnection};
use bloodbank_core::{
    Result,
    message::{Outgoing, Published},
};

/// The time for messages in flight to be confirmed when the transport is closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The publishing side of the transport: requests are sent by one task that owns the channel.
pub(super) struct Publisher {
    requests: Arc<RequestQueue>,
    /// Cancelled when no more requests will come.
    finish: CancellationToken,
    /// Cancelled when the remaining requests are given up.
    abandon: CancellationToken,
    owner: Mutex<Option<JoinHandle<()>>>,
}

impl Publisher {
    pub(super) fn start(
        connection: &Arc<SupervisedConnection>,
        window: usize,
        sign: &Arc<JournalSign>,
        routes: RouteMemory,
    ) -> Self {
        let requests = Arc::new(RequestQueue::default());
        let (finish, abandon) = (CancellationToken::new(), CancellationToken::new());
        let publishing = Publishing::new(Arc::clone(connection), Arc::clone(sign), routes, window, abandon.clone());
        let owner = Owner::new(Arc::new(publishing), Arc::clone(&requests));
        Self { requests, owner: Mutex::new(Some(tokio::spawn(owner.run(finish.clone())))), finish, abandon }
    }

    pub(super) fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        self.requests.publish(message)
    }

    /// Refuses further messages, and waits for [`FLUSH_TIMEOUT`] at most until the others are confirmed.
    pub(super) async fn close(&self) {
        self.requests.close();
        self.finish.cancel();
        // A second caller of `close` waits too: the connection must not close before the messages are confirmed.
        let mut owner = self.owner.lock().await;
        let Some(running) = owner.as_mut() else { return };
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut *running).await.is_err() {
            self.abandon.cancel();
            // The owner answers the remaining requests and ends; the runtime has reported a panic in it.
            let _ = running.await;
        }
        *owner = None;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.requests.close();
        self.abandon.cancel();
    }
}
