//! A broker that answers, and does not confirm the oldest message in flight.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::BoxFuture;
use lapin::{Channel, options::ConfirmSelectOptions};
use tokio::time::{Instant, Sleep, sleep};

use crate::publish::lanes::Publishing;
use crate::{
    broker_fault::BrokerFault,
    session::Session,
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::transport::ConnectionState;

/// The interval between two looks at the oldest message.
const TICK: Duration = Duration::from_secs(1);

/// Watches the oldest message in flight. When it stays unconfirmed for too long, a channel is opened: the broker answers that
/// after it has read the message, so that a slow network is not taken for a broker that does not confirm.
pub(super) struct Stall {
    patience: Patience,
    tick: Pin<Box<Sleep>>,
    oldest: u64,
    /// For how many ticks it has been the oldest.
    ticks: u32,
    probe: Option<BoxFuture<'static, Result<Channel, BrokerFault>>>,
}

/// How long a message may stay unconfirmed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The number of ticks after which a channel is replaced.
    pub(super) ticks: u32,
    /// The number of ticks after which it is replaced if nothing at all was confirmed since this many confirms.
    pub(super) silence: Option<(u32, u64)>,
}

impl Stall {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, tick: Box::pin(sleep(TICK)), oldest: u64::MAX, ticks: 0, probe: None }
    }

    /// A new channel once the oldest message is not confirmed in time.
    pub(super) fn poll(
        &mut self,
        session: &Arc<Session>,
        oldest: u64,
        publishing: &Publishing,
        context: &mut Context<'_>,
    ) -> Poll<Result<Channel, BrokerFault>> {
        loop {
            if let Some(probe) = &mut self.probe {
                let channel = ready!(probe.as_mut().poll(context));
                self.probe = None;
                if oldest == self.oldest {
                    return Poll::Ready(channel);
                }
                // It was confirmed meanwhile.
                if let Ok(channel) = channel {
                    close(channel);
                }
            }
            ready!(self.tick.as_mut().poll(context));
            self.tick.as_mut().reset(Instant::now() + TICK);
            // Under an alarm the broker reads nothing and says so.
            let waits = oldest == self.oldest && publishing.connection.current_state() == ConnectionState::Up;
            self.ticks = if waits { self.ticks + 1 } else { 0 };
            self.oldest = oldest;
            if self.is_over(publishing) {
                let session = Arc::clone(session);
                self.probe = Some(Box::pin(async move { open(&session).await }));
                self.ticks = 0;
            }
        }
    }

    fn is_over(&self, publishing: &Publishing) -> bool {
        let is_silent = |confirmed| publishing.confirmed() == confirmed;
        self.ticks >= self.patience.ticks
            || self.patience.silence.is_some_and(|(ticks, confirmed)| self.ticks >= ticks && is_silent(confirmed))
    }
}

/// Opens a channel with confirms.
pub(super) async fn open(session: &Session) -> Result<Channel, BrokerFault> {
    let channel = session.channel().await?;
    with_timeout(CALL_TIMEOUT, channel.confirm_select(ConfirmSelectOptions::default())).await?;
    if channel.status().confirm() {
        Ok(channel.keep())
    } else {
        Err(BrokerFault::connection_lost("the channel does not confirm messages"))
    }
}

/// Closes a channel in the background.
pub(super) fn close(channel: Channel) {
    tokio::spawn(async move {
        // Its messages are published on another channel, or confirmed; nothing depends on the answer.
        let _ = with_timeout(CALL_TIMEOUT, channel.close(200, "replaced".into())).await;
    });
}
