//! One connection to the broker, from its beginning to its end.

use std::sync::OnceLock;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    deadline::{CALL, CLOSING, within},
    fault::Fault,
};

/// One connection to the broker. Everything on it ends with it; nothing is repaired.
pub(super) struct Session {
    connection: lapin::Connection,
    /// Until then its consumers begin with one message at a time.
    cautious_until: Option<Instant>,
    dead: CancellationToken,
    doubt: OnceLock<String>,
}

impl Session {
    pub(super) fn new(connection: lapin::Connection, cautious_until: Option<Instant>) -> Self {
        Self { connection, cautious_until, dead: CancellationToken::new(), doubt: OnceLock::new() }
    }

    pub(super) fn connection(&self) -> &lapin::Connection {
        &self.connection
    }

    /// Until when a consumer that begins now takes one message at a time.
    pub(super) fn caution(&self) -> Option<Instant> {
        self.cautious_until.filter(|until| *until > Instant::now())
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<lapin::Channel, Fault> {
        // Opening a channel fails only on a connection that is no good.
        within(CALL, self.connection.create_channel()).await.inspect_err(|fault| self.suspect(fault))
    }

    /// There is doubt about this connection: the link drops it and makes a new one.
    pub(super) fn suspect(&self, fault: &Fault) {
        // The first doubt is the one that tells something.
        let _ = self.doubt.set(fault.text().to_owned());
        self.dead.cancel();
    }

    /// Why the connection is given up.
    pub(super) fn doubt(&self) -> &str {
        self.doubt.get().map_or("it ended", |doubt| doubt)
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
