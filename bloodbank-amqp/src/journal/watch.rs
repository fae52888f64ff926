//! Looking for the sign of a journal, for as long as a connection for publishing is open.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    journal_sign::{JournalSign, LOOK_INTERVAL},
    supervisor::SupervisedConnection,
};

/// Looks for the sign again and again, until the connection is closed.
pub(crate) async fn watch_sign(
    sign: Arc<JournalSign>,
    connection: Arc<SupervisedConnection>,
    closing: CancellationToken,
) {
    let mut turns = interval(LOOK_INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let looking = async {
        // The first turn is at once, and the connection has just looked.
        turns.tick().await;
        loop {
            turns.tick().await;
            let Some(session) = connection.session().await else { return };
            if let Err(fault) = sign.look(&session).await {
                session.fail(&fault);
            }
        }
    };
    tokio::select! {
        () = looking => {}
        () = closing.cancelled() => {}
    }
}
