//! What a subscriber needs in order to settle is deleted under it: it is made again, or the health says what is missing.

use std::time::Duration;

use crate::common::{quorum, soon};
use bloodbank::{
    Bus, DeadLetters, HandlerError, app::HealthState, prelude::*, settings::TopologyMode, transport::Topology,
};
use bloodbank_harness::{shared_rabbit_url, unique};
use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "healing.wound.seen")]
struct WoundSeen {}

#[subscriber]
async fn dress(_: WoundSeen) -> Result<(), HandlerError> {
    Err(HandlerError::permanent("no bandage"))
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("it heals", waiting).await;
}

async fn delete(queue: &str) {
    let url = tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap();
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_of_dead_letters_is_made_again() {
    let (bus, name) = (quorum().await, unique("clinic"));
    let app = App::new(&*name, bus.clone()).subscribe(dress).start().await.unwrap();
    let letters = DeadLetters::of(&bus, format!("{name}.dress"));
    delete(letters.parked()).await;
    bus.publish(WoundSeen {}).await.unwrap();
    until(async || letters.count().await.is_ok_and(|count| count == 1)).await;
    until(async || app.health().state == HealthState::Healthy).await;
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_names_the_queue_where_this_program_may_not_make_it() {
    let (declares, name) = (quorum().await, unique("clinic"));
    let first = App::new(&*name, declares.clone()).subscribe(dress).start().await.unwrap();
    first.shutdown().await.unwrap();
    let queue = format!("{name}.dress");
    delete(&format!("{queue}.dlq")).await;
    let mut settings = declares.settings().clone();
    settings.topology = TopologyMode::None;
    let bus = Bus::connect(settings).await.unwrap();
    let app = App::new(&*name, bus.clone()).subscribe(dress).start().await.unwrap();
    bus.publish(WoundSeen {}).await.unwrap();
    let stuck = |reason: &String| {
        reason.contains(&format!("`{queue}` keeps what it can neither handle nor put aside"))
            && reason.contains("topology declare")
    };
    until(async || app.health().reasons.iter().any(stuck)).await;
    let health = app.health();
    assert!(health.live && health.ready && health.state == HealthState::Degraded, "{health:?}");
    let kind = bus.settings().queue_kind;
    let topology = Topology::subscriber(bus.exchange(), &queue.as_str().into(), kind, &["healing.wound.seen".into()]);
    declares.transport().declare(topology).await.unwrap();
    let letters = DeadLetters::of(&bus, &*queue);
    until(async || letters.count().await.is_ok_and(|count| count == 1)).await;
    until(async || app.health().state == HealthState::Healthy).await;
    app.shutdown().await.unwrap();
}
