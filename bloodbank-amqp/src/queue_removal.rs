//! Removing queues that nobody needs any more.

use lapin::{options::QueueDeleteOptions, types::ShortString};

use crate::{
    address::Address,
    broker_fault::BrokerFault,
    declare_error::declare_error,
    session::Session,
    supervisor::{Role, connect},
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{Result, settings::Settings};

const DOING: &str = "removing a queue";

/// Removes queues, with all that is in them; one that is missing is as good. Quorum queues know no condition: look first whether a
/// queue is empty and unused.
///
/// # Errors
/// [`bloodbank_core::ErrorKind::Topology`] when the broker does not allow it, [`bloodbank_core::ErrorKind::Connection`] when it does not
/// answer.
pub async fn remove_queues(settings: &Settings, queues: &[String]) -> Result<()> {
    let address = Address::from_settings(settings)?;
    let dialled = connect(&address, Role::Switch).await.map_err(|fault| fault.into_error(DOING))?;
    let session = Session::new(dialled.connection, None);
    let removed = remove(&session, queues).await;
    session.close().await;
    removed
}

async fn remove(session: &Session, queues: &[String]) -> Result<()> {
    let channel = session.channel().await.map_err(|fault| fault.into_error(DOING))?;
    for queue in queues {
        // No queue can have a longer name.
        let Ok(name) = ShortString::try_new(queue.as_str()) else { continue };
        let deleted = with_timeout(CALL_TIMEOUT, channel.queue_delete(name, QueueDeleteOptions::default())).await;
        deleted.map_err(|fault| match fault {
            BrokerFault::ConnectionLost { .. } => fault.into_error(DOING),
            fault => declare_error(&format!("queue `{queue}`"), &fault),
        })?;
    }
    Ok(())
}
