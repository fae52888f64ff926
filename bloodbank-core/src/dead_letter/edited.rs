//! Corrected copies of dead letters.

use std::sync::Arc;

use super::{DeadLetter, DeadLetters, Filter, Handle, sweep::Selection};
use crate::{
    error::{Error, ErrorKind, Result},
    message::names,
    publish::{Prepared, Receipt},
};

/// Publishes a corrected event to the queue of the subscriber that gave the dead letter up, and to no other; then removes the
/// dead letter.
pub(super) async fn replace(letters: &DeadLetters, handle: Handle, corrected: Prepared) -> Result<Option<Receipt>> {
    let filter = Filter { limit: Some(1), ..Filter::handle(handle) };
    let Selection { chosen, held, browser, .. } = Selection::take(letters, &filter).await?;
    let Some((letter, settlement)) = chosen.into_iter().next() else {
        drop(held);
        browser.finish().await?;
        return Ok(None);
    };
    let published = letters.bus.publish_prepared(addressed(corrected, &letter)).await;
    match &published {
        Ok(_) => settlement.ack(),
        Err(_) => drop(settlement),
    }
    drop(held);
    let finished = browser.finish().await;
    let receipt = published.map_err(|error| no_queue(error, &letter))?;
    // What is published is published: the dead letter is there once more where the broker was not told.
    finished?;
    Ok(Some(receipt))
}

/// Addresses a prepared event to the queue of a subscriber, as a redriven message is.
fn addressed(mut prepared: Prepared, letter: &DeadLetter) -> Prepared {
    let message = &mut prepared.message;
    message.properties.headers.set(names::EXCHANGE, &*message.exchange);
    message.properties.headers.set(names::ROUTING_KEY, &*message.routing_key);
    letter.hand_on_place(&mut message.properties.headers);
    message.exchange = "".into();
    message.routing_key = Arc::clone(&letter.queue);
    prepared.mandatory = true;
    prepared
}

fn no_queue(error: Error, letter: &DeadLetter) -> Error {
    if error.kind() == ErrorKind::Unrouted {
        let queue = &letter.queue;
        return Error::new(
            ErrorKind::Unrouted,
            format!("there is no queue `{queue}`; start its subscriber, which declares it, and try again"),
        );
    }
    error
}
