//! A copy of a message whose consumer died says that it was delivered before.

use crate::common::{soon, take};
use bloodbank::{
    message::{Outgoing, names},
    prelude::*,
    transport::Topology,
};
use bloodbank_harness::unique;
use tokio::sync::mpsc;

on_every_bus! { a_copy_remembers_that_it_was_delivered_before }

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "returned.parcel.sent")]
struct ParcelSent {}

#[subscriber]
async fn receive(_parcel: ParcelSent, context: Context, State(seen): State<mpsc::UnboundedSender<bool>>) {
    seen.send(context.redelivered()).unwrap();
}

async fn a_copy_remembers_that_it_was_delivered_before(bus: Bus) {
    let (service, spy) = (unique("post"), unique("spy"));
    let (seen, mut calls) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone()).state(seen).subscribe(receive).start().await.unwrap();
    let patterns = ["returned.parcel.sent".into()];
    let topology = Topology::subscriber(bus.exchange(), &spy.as_str().into(), bus.settings().queue_kind, &patterns);
    bus.transport().declare(topology).await.unwrap();
    bus.publish(ParcelSent {}).await.unwrap();
    assert_eq!(soon("the event", calls.recv()).await, Some(false));
    // What waits for the lease of somebody who died is put off as a copy, which the broker delivers for the first time.
    let mut message = take(&bus, &spy, 1).await.remove(0);
    message.properties.headers.set(names::RETURNED, 1u32);
    let queue = format!("{service}.receive");
    let copy = Outgoing::new("", queue.as_str(), message.body).properties(message.properties).mandatory();
    bus.transport().publish(copy).await.unwrap();
    assert_eq!(soon("the copy", calls.recv()).await, Some(true));
    app.shutdown().await.unwrap();
}
