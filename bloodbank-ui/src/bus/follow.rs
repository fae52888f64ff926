//! The events of the bus as they are published, in bundles: a busy bus must not keep anybody from typing.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bloodbank_client::{Connection, GatewayEvent};
use bloodbank_core::{Settings, routing::BindingPattern};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::{
        mpsc::{Sender, error::TrySendError},
        watch,
    },
    time::{Instant, sleep, sleep_until},
};

use super::Way;
use crate::message::{Message, SeenEvent};

/// How often events are passed on: as often as the screen is drawn.
const PAUSE: Duration = Duration::from_millis(50);
/// The events that are passed on at a time; of others only the number.
const MOST: usize = 500;
/// The pause before the stream is opened again.
const AGAIN: Duration = Duration::from_millis(500);

/// Follows the events of the bus for as long as anybody listens, and says while it does.
pub(super) async fn follow(
    settings: &Settings,
    mut way: watch::Receiver<Way>,
    follows: &watch::Sender<bool>,
    messages: &Sender<Message>,
) {
    let Ok(everything) = BindingPattern::parse_wire("#") else { return };
    while !messages.is_closed() {
        let Ok(connection) = way.wait_for(Option::is_some).await.map(|way| way.clone()) else { return };
        if let Some(connection) = connection {
            // Why it ended, the link says.
            let _ = watch_events(settings, &connection, &everything, follows, messages).await;
            follows.send_replace(false);
        }
        sleep(AGAIN).await;
    }
}

async fn watch_events(
    settings: &Settings,
    connection: &Arc<Connection>,
    pattern: &BindingPattern,
    follows: &watch::Sender<bool>,
    messages: &Sender<Message>,
) -> bloodbank_client::Result<()> {
    let mut events = connection.events(settings, pattern).await?;
    follows.send_replace(true);
    let mut bundle = Bundle::default();
    let mut due = Instant::now();
    loop {
        tokio::select! {
            event = events.next() => match event.transpose()? {
                Some(GatewayEvent::Envelope(body)) => {
                    if bundle.count == 0 {
                        due = Instant::now() + PAUSE;
                    }
                    bundle.add(body);
                }
                Some(_) => {}
                None => return Ok(()),
            },
            () = sleep_until(due), if bundle.count > 0 => {
                due = Instant::now() + PAUSE;
                bundle.pass_on(messages);
            }
        }
    }
}

/// Events that are not passed on yet.
#[derive(Default)]
struct Bundle {
    count: u64,
    bodies: VecDeque<Bytes>,
}

impl Bundle {
    fn add(&mut self, body: Bytes) {
        self.count += 1;
        self.bodies.push_back(body);
        if self.bodies.len() > MOST {
            self.bodies.pop_front();
        }
    }

    /// Passes the events on; where nobody has time for them, they stay.
    fn pass_on(&mut self, messages: &Sender<Message>) {
        let place = match messages.try_reserve() {
            Ok(place) => place,
            Err(TrySendError::Full(()) | TrySendError::Closed(())) => return,
        };
        let shown = std::mem::take(&mut self.bodies).into_iter().map(|body| Arc::new(SeenEvent::read(body))).collect();
        place.send(Message::Events { count: std::mem::take(&mut self.count), shown });
    }
}
