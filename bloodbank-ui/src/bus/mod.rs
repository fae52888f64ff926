//! The bus behind the screen: keeps a way to it open, follows its events, carries out effects, and reports as messages.

mod effects;
mod follow;
mod link;

use std::sync::Arc;

use bloodbank_client::Connection;
use bloodbank_core::Settings;
use tokio::sync::{
    mpsc::{Sender, UnboundedReceiver},
    watch,
};

use crate::{
    message::{Effect, Message},
    options::Options,
};

/// The open way to the bus, if there is one.
type Way = Option<Arc<Connection>>;

/// Works until nobody sends effects any more, then closes the bus.
pub(crate) async fn run(
    settings: Settings,
    options: Options,
    mut effects: UnboundedReceiver<Effect>,
    messages: Sender<Message>,
) {
    let (sender, way) = watch::channel(None);
    let (following, follows) = watch::channel(false);
    let link = link::keep(&settings, options.via, &sender, follows, &messages);
    let follow = follow::follow(&settings, way.clone(), &following, &messages);
    let work = async {
        while let Some(effect) = effects.recv().await {
            let connection = way.borrow().clone();
            let work = effects::Work {
                connection,
                settings: settings.clone(),
                options: options.clone(),
                messages: messages.clone(),
            };
            tokio::spawn(work.carry_out(effect));
        }
    };
    tokio::select! {
        () = link => {}
        () = follow => {}
        () = work => {}
    }
    let connection = sender.borrow().clone();
    if let Some(connection) = connection {
        connection.close().await;
    }
}
