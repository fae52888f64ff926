//! One session with the broker: a connection from its beginning to its end.

use std::{ops::Deref, sync::OnceLock};

use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    broker_fault::BrokerFault,
    timeout::{CALL_TIMEOUT, CLOSE_TIMEOUT, with_timeout},
};

/// One connection to the broker. Its channels end with it; nothing is repaired.
pub(super) struct Session {
    connection: lapin::Connection,
    /// The moment until which consumers start with one message at a time.
    slow_start_until: Option<Instant>,
    failed: CancellationToken,
    failure: OnceLock<String>,
}

impl Session {
    pub(super) fn new(connection: lapin::Connection, slow_start_until: Option<Instant>) -> Self {
        Self { connection, slow_start_until, failed: CancellationToken::new(), failure: OnceLock::new() }
    }

    pub(super) fn connection(&self) -> &lapin::Connection {
        &self.connection
    }

    /// The moment until which a consumer that begins now starts slowly; `None` when consumers take all at once.
    pub(super) fn slow_start_until(&self) -> Option<Instant> {
        self.slow_start_until.filter(|until| *until > Instant::now())
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<OwnedChannel, BrokerFault> {
        // Opening a channel fails on a connection that does not work, or that has as many as it may.
        let channel = with_timeout(CALL_TIMEOUT, self.connection.create_channel()).await;
        channel.map(|channel| OwnedChannel { channel, is_kept: false }).inspect_err(|fault| match fault {
            BrokerFault::Channel { .. } => {}
            fault => self.fail(fault),
        })
    }

    /// Gives up the connection because of `fault`: the supervisor replaces it.
    pub(super) fn fail(&self, fault: &BrokerFault) {
        // The first failure is the cause; later ones follow from it.
        let _ = self.failure.set(fault.text().to_owned());
        self.failed.cancel();
    }

    /// The reason why the connection is given up.
    pub(super) fn failure(&self) -> &str {
        self.failure.get().map_or("it ended", |failure| failure)
    }

    /// Whether the connection is given up or closed.
    pub(super) fn is_failed(&self) -> bool {
        self.failed.is_cancelled() || !self.connection.status().connected()
    }

    /// Resolves when the connection is given up.
    pub(super) fn failed(&self) -> WaitForCancellationFutureOwned {
        self.failed.clone().cancelled_owned()
    }

    /// Closes the connection in an orderly way, without waiting for a broker that is gone.
    pub(super) async fn close(&self) {
        self.failed.cancel();
        if self.connection.status().connected() {
            // The connection ends either way.
            let _ = with_timeout(CLOSE_TIMEOUT, self.connection.close(200, "bye".into())).await;
        }
    }
}

/// A channel that is closed when its owner gives up, in the middle of a call too. The broker goes on with a call that nobody
/// waits for: a queue that is consumed then would hand its messages to nobody.
pub(super) struct OwnedChannel {
    channel: lapin::Channel,
    is_kept: bool,
}

impl OwnedChannel {
    /// Hands the channel over to somebody who closes it.
    pub(super) fn keep(mut self) -> lapin::Channel {
        self.is_kept = true;
        self.channel.clone()
    }
}

impl Deref for OwnedChannel {
    type Target = lapin::Channel;

    fn deref(&self) -> &lapin::Channel {
        &self.channel
    }
}

impl Drop for OwnedChannel {
    fn drop(&mut self) {
        if self.is_kept || !self.channel.status().connected() {
            return;
        }
        let channel = self.channel.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = with_timeout(CLOSE_TIMEOUT, channel.close(200, "given up".into())).await;
            });
        }
    }
}
