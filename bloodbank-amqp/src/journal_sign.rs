//! The sign of a journal: how publishers know that a stream takes every event.
//!
//! With a queue that is bound by `#`, no event is unrouted any more, so that the broker's silence says nothing about subscribers.
//! A publisher must know that before the binding is there. So the sign is put up first: a queue `{exchange}.journal.sign`. Every
//! publisher looks for it when it connects and every few seconds, by a message to it that is returned where there is none (asking
//! for a queue that is missing would leave an error in the broker's log each time). Whoever binds the stream waits until all have
//! looked.

use std::{sync::Arc, time::Duration};

use lapin::{
    BasicProperties, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    broker_fault::BrokerFault,
    session::Session,
    timeout::{CALL_TIMEOUT, CLOSE_TIMEOUT, with_timeout},
};
use bloodbank_core::message::Outgoing;

/// The interval of looking.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The time for which an answer counts, where the next one is late.
const ANSWER_LIFETIME: Duration = Duration::from_secs(20);
/// The time after which every publisher has looked, or counts as one that does not know.
pub(crate) const NOTICE: Duration = Duration::from_secs(25);

/// The time after which the stream of a sign is bound.
const BOUND: Duration = Duration::from_secs(NOTICE.as_secs() + 15);

/// The name of the sign.
pub(crate) fn sign_name(exchange: &str) -> String {
    format!("{exchange}.journal.sign")
}

/// What a publisher knows about the journal of its exchange.
pub(crate) struct JournalSign {
    exchange: Arc<str>,
    /// `None`: the name is longer than the protocol allows, so that there can be no sign.
    name: Option<ShortString>,
    seen: Mutex<Seen>,
}

/// The last answer.
#[derive(Clone, Copy)]
struct Seen {
    is_up: bool,
    /// When it was asked for.
    asked: Option<Instant>,
    /// Since when it has been there each time.
    up_since: Option<Instant>,
}

impl JournalSign {
    pub(crate) fn new(exchange: &str) -> Self {
        Self {
            exchange: exchange.into(),
            name: ShortString::try_new(sign_name(exchange)).ok(),
            seen: Mutex::new(Seen { is_up: false, asked: None, up_since: None }),
        }
    }

    /// Whether the sign was there when it was looked for last.
    pub(crate) fn is_up(&self) -> bool {
        self.seen.lock().is_up
    }

    /// Whether a journal takes this message for certain: its stream is bound some time after the sign is put up.
    pub(crate) fn takes(&self, message: &Outgoing) -> bool {
        let up_since = self.seen.lock().up_since;
        up_since.is_some_and(|since| since.elapsed() > BOUND) && *message.exchange == *self.exchange
    }

    /// What the broker says about a message that it has not returned: whether it is unrouted, as far as that can be known.
    pub(crate) fn routed(&self, message: &Outgoing) -> Option<bool> {
        if !message.mandatory {
            return None;
        }
        if *message.exchange != *self.exchange {
            return Some(false);
        }
        let Seen { is_up, asked, .. } = *self.seen.lock();
        let is_fresh = asked.is_some_and(|asked| asked.elapsed() < ANSWER_LIFETIME);
        (self.name.is_none() || !is_up && is_fresh).then_some(false)
    }

    /// Looks for the sign.
    pub(crate) async fn look(&self, session: &Session) -> Result<(), BrokerFault> {
        let Some(name) = &self.name else { return Ok(()) };
        let asked = Instant::now();
        let channel = session.channel().await?;
        let asking = async {
            with_timeout(CALL_TIMEOUT, channel.confirm_select(ConfirmSelectOptions::default())).await?;
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let message = BasicProperties::default().with_expiration("0".into());
            let sent = channel.basic_publish(ShortString::default(), name.clone(), options, &[], message);
            let confirm = with_timeout(CALL_TIMEOUT, sent).await?;
            with_timeout(CALL_TIMEOUT, confirm).await
        };
        let answer = match asking.await {
            Ok(Confirmation::Ack(returned)) => returned.is_none(),
            // A full one is one.
            Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => true,
            // This user may not ask, so that it never knows.
            Err(BrokerFault::Channel { .. } | BrokerFault::Unresponsive) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let _ = with_timeout(CLOSE_TIMEOUT, channel.close(200, "done".into())).await;
        let mut seen = self.seen.lock();
        let up_since = answer.then(|| seen.up_since.unwrap_or(asked));
        *seen = Seen { is_up: answer, asked: Some(asked), up_since };
        drop(seen);
        Ok(())
    }
}
