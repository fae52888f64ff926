//! The way to the bus: opened, looked after, and opened again.

use std::{sync::Arc, time::Duration};

use bloodbank_client::{ClientError, Connection, GatewayClient, Via};
use bloodbank_core::{Bus, Settings};
use tokio::{
    sync::{mpsc::Sender, watch},
    time::{sleep, timeout},
};

use super::Way;
use crate::message::{Link, Message};

/// How often the bus is looked after.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a bus whose events cannot be followed yet is not said to be there: who publishes then would not see it.
const UNFOLLOWED: Duration = Duration::from_secs(5);

/// Keeps a way to the bus open, and says when it goes and comes back.
pub(super) async fn keep(
    settings: &Settings,
    via: Via,
    way: &watch::Sender<Way>,
    mut follows: watch::Receiver<bool>,
    messages: &Sender<Message>,
) {
    let mut said = None;
    let mut was_gateway = false;
    loop {
        let connection = way.borrow().clone();
        let link = match connection {
            Some(connection) => look_after(&connection, settings).await,
            None => match open(settings, via, was_gateway).await {
                Ok(connection) => {
                    let link = Link::Up(place(&connection, settings));
                    was_gateway = matches!(connection, Connection::Gateway(_));
                    way.send_replace(Some(Arc::new(connection)));
                    link
                }
                Err(error) => Link::Down(error.to_string()),
            },
        };
        if was_gateway && matches!(link, Link::Down(_)) {
            // It may come back at another address.
            way.send_replace(None);
        }
        if said.as_ref() != Some(&link) {
            if matches!(link, Link::Up(_)) {
                let _ = timeout(UNFOLLOWED, follows.wait_for(|follows| *follows)).await;
            }
            if messages.send(Message::Link(link.clone())).await.is_err() {
                return;
            }
            said = Some(link);
        }
        sleep(PAUSE).await;
    }
}

/// Where a gateway had the file open, the file is left for it: it could not start again otherwise.
async fn open(settings: &Settings, via: Via, was_gateway: bool) -> Result<Connection, ClientError> {
    if !was_gateway || via == Via::Http {
        return Connection::open(settings.clone(), via).await;
    }
    let gateway = GatewayClient::find(settings).await?;
    let away = || ClientError::Invalid("the gateway that had the file open has ended; start `serve` again".to_owned());
    gateway.map(Connection::Gateway).ok_or_else(away)
}

async fn look_after(connection: &Connection, settings: &Settings) -> Link {
    match connection {
        Connection::Gateway(gateway) => match gateway.time().await {
            Ok(_) => Link::Up(place(connection, settings)),
            Err(error) => Link::Down(error.to_string()),
        },
        Connection::Bus(bus) => {
            let health = bus.health();
            if health.ready { Link::Up(place(connection, settings)) } else { Link::Down(health.reasons.join("; ")) }
        }
    }
}

fn place(connection: &Connection, settings: &Settings) -> String {
    match connection {
        Connection::Gateway(gateway) => place_of_gateway(gateway),
        Connection::Bus(bus) => place_of_bus(bus, settings),
    }
}

fn place_of_gateway(gateway: &GatewayClient) -> String {
    format!("the gateway at {}", gateway.url())
}

fn place_of_bus(bus: &Bus, settings: &Settings) -> String {
    match (&settings.rabbit_url, &settings.embedded_path) {
        (Some(_), _) => format!("RabbitMQ, exchange {}", bus.exchange()),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => "a bus in memory, which ends with this program; start `serve` first to share one".to_owned(),
    }
}
