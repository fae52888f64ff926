//! The local door of a bus in a file: what a tool can do while a service has the file open.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use crate::common::soon;
use bloodbank::{
    DeadLetters, ErrorKind, Settings,
    correlation::Trace,
    dead_letter::{Filter, Mode},
    message::Outgoing,
    prelude::*,
    settings::QueueKind,
    store::{JournalQuery, Position},
    transport::{
        Topology,
        topology::{Binding, Queue},
    },
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "door.visitor.arrived")]
struct Arrived {
    number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "door.visitor.greeted")]
struct Greeted {
    number: u32,
}

#[subscriber]
async fn greet(arrived: Arrived, State(seen): State<mpsc::UnboundedSender<u32>>) -> Result<Greeted, HandlerError> {
    seen.send(arrived.number).unwrap();
    if arrived.number == 13 {
        return Err(HandlerError::permanent("nobody greets thirteen"));
    }
    Ok(Greeted { number: arrived.number })
}

fn settings() -> (Settings, PathBuf) {
    let path = tempfile::tempdir().unwrap().keep().join("bus.db");
    let mut settings = Settings::default();
    settings.embedded_path = Some(path.clone());
    (settings, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_publishes_watches_traces_and_redrives_while_a_service_has_the_file() {
    let (settings, path) = settings();
    assert!(Bus::attach(&settings).await.unwrap().is_none(), "nobody has it");
    let (seen, mut arrived) = mpsc::unbounded_channel();
    let bus = Bus::connect(settings.clone()).await.unwrap();
    let app = App::new("greeter", bus.clone()).state(seen).subscribe(greet).start().await.unwrap();
    let error = Bus::connect(settings.clone()).await.unwrap_err();
    assert!(error.to_string().contains("another process has it open"), "a second service is refused: {error}");

    let tool = Bus::attach(&settings).await.unwrap().expect("the service has it");
    let queue = Queue::new("tool.watch", QueueKind::Transient);
    let mut topology = Topology::events(tool.exchange());
    topology.bindings.push(Binding {
        exchange: tool.exchange().clone(),
        queue: queue.name.clone(),
        pattern: "door.#".into(),
    });
    topology.queues.push(queue);
    tool.transport().declare(topology.clone()).await.unwrap();
    let mut watched = tool.transport().consume("tool.watch".into(), 16).await.unwrap();

    // Publish and watch.
    let receipt = tool.publish(Arrived { number: 1 }).await.unwrap();
    assert_eq!(receipt.unrouted, Some(false));
    assert_eq!(soon("the service", arrived.recv()).await, Some(1));
    let mut keys = Vec::new();
    for _ in 0..2 {
        let delivery = soon("what is watched", watched.next()).await.unwrap();
        keys.push(delivery.message.routing_key.to_string());
        delivery.ack();
    }
    assert_eq!(keys, ["door.visitor.arrived", "door.visitor.greeted"]);

    // Trace: the link that the tool wrote and that of the service.
    tool.correlation().unwrap().flush().await;
    let trace = Trace::load(tool.correlation().unwrap(), receipt.event_id).await.unwrap();
    assert_eq!(trace.events.len(), 2, "{trace:?}");

    // The journal.
    let journal = tool.stores().journal.unwrap();
    let entries: Vec<_> =
        journal.read(JournalQuery::all().exchange(&**tool.exchange()), Position::Start).try_collect().await.unwrap();
    assert_eq!(entries.len(), 2);
    assert!(journal.get(receipt.event_id).await.unwrap().is_some());
    assert!(journal.floor().await.unwrap() <= journal.tip().await.unwrap());

    // Dead letters: listed, redriven, discarded.
    tool.publish(Arrived { number: 13 }).await.unwrap();
    assert_eq!(soon("the service", arrived.recv()).await, Some(13));
    let letters = DeadLetters::of(&tool, "greeter.greet");
    while letters.list(&Filter::default()).await.unwrap().is_empty() {}
    let listed = letters.list(&Filter::default()).await.unwrap();
    assert_eq!(listed[0].error.as_deref(), Some("nobody greets thirteen"), "looking takes nothing away");
    assert_eq!(letters.redrive(&Filter::default(), Mode::Apply).await.unwrap().done(), 1);
    assert_eq!(soon("the redriven one", arrived.recv()).await, Some(13));
    while letters.discard(&Filter::default(), Mode::Apply).await.unwrap().done() == 0 {}

    // Topology: compared, and refused as the service would.
    let diffs = tool.transport().compare(topology).await.unwrap();
    assert!(diffs.iter().all(|diff| diff.to_string().contains("as declared")), "{diffs:?}");
    let mut other = Topology::default();
    other.queues.push(Queue::new("greeter.greet", QueueKind::Classic));
    assert_eq!(tool.transport().declare(other).await.unwrap_err().kind(), ErrorKind::Topology);

    // What a tool holds goes back when it leaves.
    drop(watched);
    tool.transport()
        .declare({
            let mut topology = Topology::default();
            topology.queues.push(Queue::new("tool.held", QueueKind::Classic));
            topology
        })
        .await
        .unwrap();
    tool.transport().publish(Outgoing::new("", "tool.held", "{}").mandatory()).await.unwrap();
    let mut held = tool.transport().consume("tool.held".into(), 1).await.unwrap();
    let delivery = soon("what is held", held.next()).await.unwrap();
    tool.close().await;
    drop(delivery);
    drop(held);
    let again = Bus::attach(&settings).await.unwrap().expect("the service is still there");
    let mut held = again.transport().consume("tool.held".into(), 1).await.unwrap();
    let delivery = soon("what went back", held.next()).await.unwrap();
    assert!(delivery.redelivered);
    delivery.ack();

    // The door is for this user alone, and closes with the bus.
    let socket = PathBuf::from(format!("{}-door", path.display()));
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    app.shutdown().await.unwrap();
    bus.close().await;
    assert!(!socket.exists());
    let error = again.publish(Arrived { number: 3 }).await.unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
    assert!(Bus::attach(&settings).await.unwrap().is_none());
}

#[tokio::test]
async fn a_socket_that_a_killed_process_left_is_nobody() {
    let (settings, path) = settings();
    drop(std::os::unix::net::UnixListener::bind(format!("{}-door", path.display())).unwrap());
    assert!(Bus::attach(&settings).await.unwrap().is_none());
    let bus = Bus::connect(settings.clone()).await.unwrap();
    let tool = Bus::attach(&settings).await.unwrap().expect("the new process is there");
    assert_eq!(tool.publish(Arrived { number: 1 }).await.unwrap().unrouted, Some(true));
    bus.close().await;
}
