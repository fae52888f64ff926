//! Starting the consumers of a queue, one after the other: on the connection of all of them, or apart.
//!
//! RabbitMQ answers `basic.consume` of a queue whose nodes are down by ending the whole connection, without a word about the
//! queue; every consumer on it is lost then. Who was starting at that moment starts again in turn, one after the other, which shows
//! who it was. That queue gets a connection of its own, for as long as the program runs.

use std::sync::Arc;

use bloodbank_core::{Error, ErrorKind};

use crate::consume::{
    Shared,
    prefetch::{NextLevel, Prefetch, PrefetchLevel},
    subscription::{Subscription, subscribe},
};
use crate::{broker_fault::BrokerFault, declare::AttemptError, supervisor::SupervisedConnection};

/// Starts the consumers of one queue.
pub(super) struct Starter {
    shared: Arc<Shared>,
    queue: Arc<str>,
    prefetch: Prefetch,
    place: Place,
}

/// Where the next consumer starts.
enum Place {
    /// On the connection of all, beside others that start.
    Together,
    /// There too, but while no other suspect starts.
    InTurn,
    /// On a connection of its own.
    Apart(Arc<SupervisedConnection>),
}

impl Starter {
    pub(super) fn new(shared: &Arc<Shared>, queue: &Arc<str>, prefetch: Prefetch) -> Self {
        let place = shared.apart(queue).map_or(Place::Together, Place::Apart);
        Self { shared: Arc::clone(shared), queue: Arc::clone(queue), prefetch, place }
    }

    pub(super) fn queue(&self) -> &Arc<str> {
        &self.queue
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts a consumer in the current session; in that of `next`, at its level. `None`: the transport is closed.
    pub(super) async fn start(&mut self, next: Option<&NextLevel>) -> Option<Result<Subscription, AttemptError>> {
        let shared = Arc::clone(&self.shared);
        let turn = match &self.place {
            Place::InTurn => Some(shared.turn.lock().await),
            Place::Together | Place::Apart(_) => None,
        };
        let session = match &self.place {
            Place::Together | Place::InTurn => shared.connection.session().await?,
            Place::Apart(connection) => connection.session().await?,
        };
        let level = match next {
            Some((on, level)) if Arc::ptr_eq(on, &session) => *level,
            _ => PrefetchLevel::first(&session),
        };
        let started = subscribe(&shared, &session, &self.queue, self.prefetch, level).await;
        match &started {
            Ok(_) if turn.is_some() => self.place = Place::Together,
            Err(AttemptError::ConnectionLost(fault @ BrokerFault::Protocol { .. })) => {
                let error = unavailable(&self.queue, fault);
                self.suspect().await;
                return Some(Err(AttemptError::Unavailable(error)));
            }
            _ => {}
        }
        Some(started)
    }

    /// The connection ended while this queue, and maybe others, began to be consumed.
    async fn suspect(&mut self) {
        self.place = match self.place {
            Place::Together => Place::InTurn,
            // A queue of this connection alone is not there for another one, and is on the node of this connection.
            Place::InTurn if !self.shared.declared.is_transient(&self.queue) => {
                match self.shared.open_apart(&self.queue).await {
                    Ok(connection) => Place::Apart(connection),
                    // The broker is down; the next attempt waits for it.
                    Err(_) => return,
                }
            }
            Place::InTurn | Place::Apart(_) => return,
        };
    }
}

/// The error of a queue that cannot be consumed for now.
pub(super) fn unavailable(queue: &str, fault: &BrokerFault) -> Error {
    Error::new(
        ErrorKind::Connection,
        format!(
            "queue `{queue}` cannot be consumed ({}); check that the node that holds it is up and try again",
            fault.text()
        ),
    )
}
