//! One connection to the broker, from its beginning to its end.

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    deadline::{CALL, CLOSING, within},
    fault::Fault,
};

/// One connection to the broker. Everything on it ends with it; nothing is repaired.
pub(super) struct Session {
    connection: lapin::Connection,
    /// Until then its consumers take one message at a time.
    pub(super) cautious_until: Option<Instant>,
    dead: CancellationToken,
}

impl Session {
    pub(super) fn new(connection: lapin::Connection, cautious_until: Option<Instant>) -> Self {
        Self { connection, cautious_until, dead: CancellationToken::new() }
    }

    pub(super) fn connection(&self) -> &lapin::Connection {
        &self.connection
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<lapin::Channel, Fault> {
        let opened = within(CALL, self.connection.create_channel()).await;
        if opened.is_err() {
            // Opening a channel fails only on a connection that is no good.
            self.suspect();
        }
        opened
    }

    /// There is doubt about this connection: the link drops it and makes a new one.
    pub(super) fn suspect(&self) {
        self.dead.cancel();
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.is_cancelled() || !self.connection.status().connected()
    }

    /// Resolves when the connection is given up.
    pub(super) fn dead(&self) -> WaitForCancellationFutureOwned {
        self.dead.clone().cancelled_owned()
    }

    /// Closes the connection as the protocol wants it, but does not wait for a broker that is gone.
    pub(super) async fn close(&self) {
        self.dead.cancel();
        if self.connection.status().connected() {
            // It is closed either way.
            let _ = within(CLOSING, self.connection.close(200, "bye".into())).await;
        }
    }
}
