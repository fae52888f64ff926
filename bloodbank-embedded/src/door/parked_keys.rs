//! The parked keys behind a door.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    client::Client,
    stores::describe,
    transport::unexpected,
    wire::{Answer, Call},
};
use bloodbank_core::{
    Result,
    store::{ParkedEvent, ParkedKey, ParkedKeys, Place},
};

/// The parked keys behind a door.
pub(super) struct DoorParkedKeys(pub(super) Arc<Client>);

impl ParkedKeys for DoorParkedKeys {
    fn describe(&self) -> String {
        describe(&self.0)
    }

    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>> {
        Box::pin(async move {
            match self.0.call(Call::JoinLine(event.clone())).await? {
                Answer::Place(place) => Ok(place),
                _ => Err(unexpected()),
            }
        })
    }

    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            match self.0.call(Call::ParkInLine(event.clone())).await? {
                Answer::Number(position) => Ok(position),
                _ => Err(unexpected()),
            }
        })
    }

    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.0.call(Call::LeaveLine(event.clone())).await.map(drop) })
    }

    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.0.call(Call::RemoveFromLine(event.clone())).await.map(drop) })
    }

    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            match self.0.call(Call::ReleaseLine { queue: queue.into(), key: key.into() }).await? {
                Answer::Number(events) => Ok(events),
                _ => Err(unexpected()),
            }
        })
    }

    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>> {
        Box::pin(async move {
            match self.0.call(Call::ParkedKeys { queue: queue.into() }).await? {
                Answer::ParkedKeys(keys) => Ok(keys),
                _ => Err(unexpected()),
            }
        })
    }
}
