//! What a sender may take before its signature is known: anybody can send to a webhook.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bloodbank_gateway::{Problem, read_body};
use bytes::Bytes;
use tokio::{sync::Semaphore, time::timeout};

/// The time in which a body must arrive.
const READ_TIME: Duration = Duration::from_secs(10);
/// The number of bodies that are read at the same time, so that senders without a secret leave room for everybody else.
const AT_ONCE: usize = 32;

/// The limits of all webhooks of a gateway together.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    room: Arc<Semaphore>,
    body_bytes: usize,
}

impl Receiver {
    pub(crate) fn new(body_bytes: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)), body_bytes }
    }

    /// Reads the body of a webhook.
    pub(crate) async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        let busy =
            |_| Problem::unavailable("the gateway is reading as many webhooks as it may at a time; deliver it again");
        let _room = self.room.try_acquire().map_err(busy)?;
        let slow =
            |_| Problem::timeout(format!("the body did not arrive within {} s; send it faster", READ_TIME.as_secs()));
        timeout(READ_TIME, read_body(body, self.body_bytes)).await.map_err(slow)?
    }
}
