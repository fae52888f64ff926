//! Subscribers on every bus: follow-ups, retries, dead letters, lanes, shutdown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::{soon, take};
use bloodbank::{
    Settings,
    envelope::{AgentContext, AgentType, RawEnvelope},
    message::{HeaderValue, Outgoing, names},
    prelude::*,
};
use bloodbank_harness::unique;
use tokio::sync::{Barrier, mpsc};
use uuid::Uuid;

on_every_bus! {
    follow_ups_are_children_with_ids_that_a_redelivery_repeats,
    follow_ups_inherit_the_agent_and_the_trace,
    a_failure_event_is_published_for_each_attempt_and_marked_when_it_is_the_last,
    a_retry_comes_back_to_the_subscriber_that_failed_alone,
    what_cannot_be_handled_is_parked_with_a_reason_and_the_consumer_goes_on,
    foreign_messages_are_parked_and_the_consumer_goes_on,
    a_panic_and_a_timeout_end_an_attempt_not_the_consumer,
    an_event_set_receives_all_of_its_events,
    events_of_one_lane_are_handled_in_order,
    events_are_handled_at_the_same_time,
    shutdown_finishes_what_is_in_hand,
    the_next_version_receives_the_old_key,
    a_layer_wraps_every_subscriber,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
    number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {
    order_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

fn order(number: u32) -> OrderPlaced {
    OrderPlaced { order_id: format!("o-{number}"), number }
}

type Seen<T> = mpsc::UnboundedSender<T>;

#[subscriber]
async fn ship(order: OrderPlaced) -> (OrderShipped, Option<OrderShipped>) {
    (
        OrderShipped { order_id: order.order_id.clone() },
        Some(OrderShipped { order_id: format!("{} again", order.order_id) }),
    )
}

#[subscriber]
async fn see_shipped(shipped: EventEnvelope<OrderShipped>, State(seen): State<Seen<EventEnvelope<OrderShipped>>>) {
    seen.send(shipped).unwrap();
}

async fn follow_ups_are_children_with_ids_that_a_redelivery_repeats(bus: Bus) {
    let (seen, mut shipped) = mpsc::unbounded_channel();
    let app =
        App::new(unique("svc"), bus.clone()).state(seen).subscribe(ship).subscribe(see_shipped).start().await.unwrap();
    let id = Uuid::new_v4();
    let mut ids = Vec::new();
    for _ in 0..2 {
        bus.publish(order(1))
            .event_id(id)
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .await
            .unwrap();
        for _ in 0..2 {
            let envelope = soon("a follow-up", shipped.recv()).await.unwrap();
            assert_eq!(envelope.correlation_ids, [id]);
            ids.push((envelope.event_id, envelope.payload.order_id));
        }
    }
    ids.sort();
    assert_eq!(ids[0], ids[1], "the same cause gives the same follow-up");
    assert_eq!(ids[2], ids[3]);
    assert_ne!(ids[0].0, ids[2].0);
    app.shutdown().await.unwrap();
}

type Inherited = (EventEnvelope<OrderShipped>, Option<String>, Option<String>);

#[subscriber]
async fn see_inherited(shipped: EventEnvelope<OrderShipped>, context: Context, State(seen): State<Seen<Inherited>>) {
    let header = |name| context.headers().text(name).map(str::to_owned);
    seen.send((shipped, header("traceparent"), header("tracestate"))).unwrap();
}

async fn follow_ups_inherit_the_agent_and_the_trace(bus: Bus) {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (seen, mut shipped) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone())
        .state(seen)
        .subscribe(ship)
        .subscribe(see_inherited)
        .start()
        .await
        .unwrap();
    let mut agent = AgentContext::new(AgentType::ClaudeCode);
    agent.name = Some("Tonny".into());
    agent.checkpoint_id = Some("c-7".into());
    let placed = bus
        .publish(order(1))
        .agent_context(agent.clone())
        .header("traceparent", TRACE)
        .header("tracestate", "vendor=1")
        .await
        .unwrap();
    for _ in 0..2 {
        let (envelope, traceparent, tracestate) = soon("a follow-up", shipped.recv()).await.unwrap();
        assert_eq!(envelope.correlation_ids, [placed.event_id]);
        assert_eq!(envelope.agent_context.as_deref(), Some(&agent));
        assert_eq!(traceparent.as_deref(), Some(TRACE));
        assert_eq!(tracestate.as_deref(), Some("vendor=1"));
    }
    // What the cause does not have is not made up.
    bus.publish(order(2)).await.unwrap();
    for _ in 0..2 {
        let (envelope, traceparent, tracestate) = soon("a follow-up", shipped.recv()).await.unwrap();
        assert_eq!((envelope.agent_context, traceparent, tracestate), (None, None, None));
    }
    let tracker = bus.correlation().unwrap();
    assert_eq!(tracker.children(placed.event_id).await.unwrap().len(), 2, "both are on record");
    app.shutdown().await.unwrap();
}

#[subscriber(retry(max_attempts = 3, backoff = "250ms"))]
async fn fail_always(order: OrderPlaced) -> Result<OrderShipped, OrderFailed> {
    Err(OrderFailed {
        error_message: format!("{} is broken", order.order_id),
        is_retryable: order.number > 0,
        retry_count: 99,
    })
}

#[subscriber]
async fn see_failed(failed: OrderFailed, context: Context, State(seen): State<Seen<(OrderFailed, bool)>>) {
    let last = context.headers().get(names::FINAL) == Some(&HeaderValue::Boolean(true));
    seen.send((failed, last)).unwrap();
}

async fn a_failure_event_is_published_for_each_attempt_and_marked_when_it_is_the_last(bus: Bus) {
    let service = unique("svc");
    let (seen, mut failures) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone())
        .state(seen)
        .subscribe(fail_always)
        .subscribe(see_failed)
        .start()
        .await
        .unwrap();
    bus.publish(order(1)).await.unwrap();
    for attempt in 0..3 {
        let (failed, last) = soon("a failure event", failures.recv()).await.unwrap();
        assert_eq!((failed.retry_count, last), (attempt, attempt == 2));
    }
    bus.publish(order(0)).await.unwrap();
    let (failed, last) = soon("a failure event", failures.recv()).await.unwrap();
    assert_eq!((failed.retry_count, last), (0, true), "one that is not retryable has one attempt");
    let parked = take(&bus, &format!("{service}.fail_always.dlq"), 2).await;
    let reasons: Vec<_> =
        parked.iter().map(|message| message.properties.headers.text(names::REASON).unwrap().to_owned()).collect();
    assert_eq!(reasons, ["attempts", "failed"]);
    app.shutdown().await.unwrap();
}

#[subscriber(retry(max_attempts = 3, backoff = "250ms"))]
async fn fail_twice(
    _: OrderPlaced,
    context: Context,
    State(seen): State<Seen<(String, u32)>>,
) -> Result<(), std::io::Error> {
    seen.send(("fail_twice".into(), context.attempt())).unwrap();
    if context.attempt() < 3 { Err(std::io::Error::other("not yet")) } else { Ok(()) }
}

#[subscriber]
async fn bystander(_: OrderPlaced, context: Context, State(seen): State<Seen<(String, u32)>>) {
    seen.send(("bystander".into(), context.attempt())).unwrap();
}

async fn a_retry_comes_back_to_the_subscriber_that_failed_alone(bus: Bus) {
    let (seen, mut calls) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone())
        .state(seen)
        .subscribe(fail_twice)
        .subscribe(bystander)
        .start()
        .await
        .unwrap();
    bus.publish(order(1)).await.unwrap();
    let mut called = Vec::new();
    while called.len() < 4 {
        called.push(soon("a call", calls.recv()).await.unwrap());
    }
    called.sort();
    let expected = [("bystander", 1), ("fail_twice", 1), ("fail_twice", 2), ("fail_twice", 3)];
    assert_eq!(called, expected.map(|(name, attempt)| (name.to_owned(), attempt)));
    app.shutdown().await.unwrap();
    assert!(calls.try_recv().is_err(), "nothing else was called");
}

#[subscriber]
async fn refuse_odd(order: OrderPlaced, State(seen): State<Seen<u32>>) -> Result<(), HandlerError> {
    if order.number % 2 == 1 {
        return Err(HandlerError::permanent(format!("{} is odd\nand that is that", order.number)));
    }
    seen.send(order.number).unwrap();
    Ok(())
}

async fn what_cannot_be_handled_is_parked_with_a_reason_and_the_consumer_goes_on(bus: Bus) {
    let service = unique("svc");
    let (seen, mut numbers) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone()).state(seen).subscribe(refuse_odd).start().await.unwrap();
    let mut published = HashMap::new();
    for number in 0..4 {
        published.insert(bus.publish(order(number)).await.unwrap().event_id, number);
    }
    assert_eq!(soon("0", numbers.recv()).await, Some(0));
    assert_eq!(soon("2", numbers.recv()).await, Some(2));
    for message in take(&bus, &format!("{service}.refuse_odd.dlq"), 2).await {
        let headers = &message.properties.headers;
        let number = published[&message.properties.message_id.unwrap()];
        assert_eq!(headers.text(names::REASON), Some("failed"));
        assert_eq!(headers.text(names::ERROR), Some(&*format!("{number} is odd and that is that")));
        assert_eq!(headers.text(names::QUEUE), Some(&*format!("{service}.refuse_odd")));
        assert_eq!(headers.integer(names::ATTEMPT), Some(1));
        assert!(headers.text(names::FIRST_FAILED).is_some() && headers.text(names::LAST_FAILED).is_some());
        let envelope: EventEnvelope<OrderPlaced> = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(envelope.payload, order(number), "the event is unchanged");
    }
    app.shutdown().await.unwrap();
}

async fn foreign_messages_are_parked_and_the_consumer_goes_on(bus: Bus) {
    let service = unique("svc");
    let (seen, mut numbers) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone()).state(seen).subscribe(refuse_odd).start().await.unwrap();
    let good = serde_json::json!({
        "event_id": Uuid::new_v4(), "event_type": "orders.order.placed", "timestamp": "2025-10-18T12:00:00",
        "payload": {"order_id": "o-8", "number": 8},
    });
    let with = |field: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        bad[field] = value;
        bad.to_string().into_bytes()
    };
    let bodies = [
        (b"\x00\xff no JSON".to_vec(), "undecodable"),
        (b"{}".to_vec(), "undecodable"),
        (with("version", "9.0.0".into()), "undecodable"),
        (with("event_type", "orders.order.eaten".into()), "undecodable"),
        (with("payload", serde_json::json!({"order_id": 1, "number": 8})), "invalid"),
    ];
    for (body, _) in &bodies {
        publish_raw(&bus, body.clone()).await;
    }
    publish_raw(&bus, good.to_string().into_bytes()).await;
    assert_eq!(soon("the good one", numbers.recv()).await, Some(8));
    let parked = take(&bus, &format!("{service}.refuse_odd.dlq"), bodies.len()).await;
    for ((body, reason), message) in bodies.iter().zip(&parked) {
        assert_eq!(message.body, body.as_slice());
        assert_eq!(message.properties.headers.text(names::REASON), Some(*reason), "{:?}", message.properties.headers);
    }
    let last = parked.last().unwrap().properties.headers.text(names::ERROR).unwrap().to_owned();
    assert!(last.contains("\"/order_id\""), "the fault is named: {last}");
    app.shutdown().await.unwrap();
}

async fn publish_raw(bus: &Bus, body: Vec<u8>) {
    let message = Outgoing::new(Arc::clone(bus.exchange()), "orders.order.placed", body).mandatory();
    assert_eq!(bus.transport().publish(message).await.unwrap().unrouted, Some(false));
}

#[subscriber(timeout = "100ms", retry(max_attempts = 1))]
async fn misbehave(order: OrderPlaced, State(seen): State<Seen<u32>>) {
    match order.number {
        0 => panic!("number {} is too small", order.number),
        1 => std::future::pending().await,
        number => seen.send(number).unwrap(),
    }
}

async fn a_panic_and_a_timeout_end_an_attempt_not_the_consumer(bus: Bus) {
    let service = unique("svc");
    let (seen, mut numbers) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone()).state(seen).subscribe(misbehave).start().await.unwrap();
    for number in 0..3 {
        bus.publish(order(number)).await.unwrap();
    }
    assert_eq!(soon("the good one", numbers.recv()).await, Some(2));
    let parked = take(&bus, &format!("{service}.misbehave.dlq"), 2).await;
    let reasons: Vec<_> =
        parked.iter().map(|message| message.properties.headers.text(names::REASON).unwrap()).collect();
    assert_eq!(reasons, ["panicked", "timed-out"]);
    assert!(parked[0].properties.headers.text(names::ERROR).unwrap().contains("number 0 is too small"));
    app.shutdown().await.unwrap();
}

#[derive(Debug, PartialEq, EventSet)]
enum OrderEvent {
    Placed(OrderPlaced),
    Shipped(OrderShipped),
    #[event_set(other)]
    Other(serde_json::Value),
}

#[subscriber(pattern = "orders.#")]
async fn watch(event: EventEnvelope<OrderEvent>, State(seen): State<Seen<(String, OrderEvent)>>) {
    seen.send((event.event_type.clone(), event.payload)).unwrap();
}

async fn an_event_set_receives_all_of_its_events(bus: Bus) {
    let (seen, mut events) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone()).state(seen).subscribe(watch).start().await.unwrap();
    bus.publish(order(1)).await.unwrap();
    bus.publish(OrderShipped { order_id: "o-1".into() }).await.unwrap();
    bus.publish(OrderFailed { error_message: "x".into(), is_retryable: false, retry_count: 0 }).await.unwrap();
    assert_eq!(soon("placed", events.recv()).await.unwrap().1, OrderEvent::Placed(order(1)));
    assert_eq!(
        soon("shipped", events.recv()).await.unwrap().1,
        OrderEvent::Shipped(OrderShipped { order_id: "o-1".into() })
    );
    let (key, other) = soon("failed", events.recv()).await.unwrap();
    assert_eq!(key, "orders.order.failed");
    assert!(matches!(other, OrderEvent::Other(payload) if payload["error_message"] == "x"));
    app.shutdown().await.unwrap();
}

#[derive(Debug, Clone, Default)]
struct Lanes(Arc<Mutex<HashMap<String, Vec<u32>>>>);

#[subscriber(concurrency = 4, ordered_by(order_id))]
async fn in_order(order: OrderPlaced, State(lanes): State<Lanes>, State(seen): State<Seen<u32>>) {
    // Whoever is second in its lane would overtake here, if it could.
    tokio::time::sleep(Duration::from_millis(u64::from(7 - order.number % 7))).await;
    lanes.0.lock().unwrap().entry(order.order_id).or_default().push(order.number);
    seen.send(order.number).unwrap();
}

async fn events_of_one_lane_are_handled_in_order(bus: Bus) {
    let (seen, mut done) = mpsc::unbounded_channel();
    let lanes = Lanes::default();
    let app = App::new(unique("svc"), bus.clone())
        .state(lanes.clone())
        .state(seen)
        .subscribe(in_order)
        .start()
        .await
        .unwrap();
    let orders = (0..60).map(|number| OrderPlaced { order_id: format!("o-{}", number % 5), number });
    assert!(bus.publish_all(orders).await.iter().all(Result::is_ok));
    for _ in 0..60 {
        soon("an order", done.recv()).await.unwrap();
    }
    for (lane, numbers) in &*lanes.0.lock().unwrap() {
        assert!(numbers.is_sorted() && numbers.len() == 12, "{lane}: {numbers:?}");
    }
    app.shutdown().await.unwrap();
}

#[subscriber(concurrency = 3)]
async fn meet(_: OrderPlaced, State(barrier): State<Arc<Barrier>>, State(seen): State<Seen<()>>) {
    // Nobody passes unless three are here at the same time.
    barrier.wait().await;
    seen.send(()).unwrap();
}

async fn events_are_handled_at_the_same_time(bus: Bus) {
    let (seen, mut done) = mpsc::unbounded_channel();
    let barrier = Arc::new(Barrier::new(3));
    let app = App::new(unique("svc"), bus.clone()).state(barrier).state(seen).subscribe(meet).start().await.unwrap();
    for number in 0..6 {
        bus.publish(order(number)).await.unwrap();
    }
    for _ in 0..6 {
        soon("all three", done.recv()).await.unwrap();
    }
    app.shutdown().await.unwrap();
}

#[subscriber]
async fn take_time(order: OrderPlaced, context: Context, State(seen): State<Seen<&'static str>>) -> OrderShipped {
    seen.send("begun").unwrap();
    context.cancellation().cancelled().await;
    seen.send("told to finish").unwrap();
    OrderShipped { order_id: order.order_id }
}

async fn shutdown_finishes_what_is_in_hand(bus: Bus) {
    let service = unique("svc");
    let (seen, mut steps) = mpsc::unbounded_channel();
    let (shipped_seen, mut shipped) = mpsc::unbounded_channel();
    let observer =
        App::new(unique("observer"), bus.clone()).state(shipped_seen).subscribe(see_shipped).start().await.unwrap();
    let app = App::new(&*service, bus.clone()).state(seen).subscribe(take_time).start().await.unwrap();
    bus.publish(order(1)).await.unwrap();
    bus.publish(order(2)).await.unwrap();
    assert_eq!(soon("the handler", steps.recv()).await, Some("begun"));
    app.shutdown().await.unwrap();
    assert_eq!(steps.recv().await, Some("told to finish"));
    assert_eq!(soon("the follow-up", shipped.recv()).await.unwrap().payload.order_id, "o-1");
    // The second one had not begun: it is still there.
    let left = take(&bus, &format!("{service}.take_time"), 1).await;
    let envelope: EventEnvelope<OrderPlaced> = serde_json::from_slice(&left[0].body).unwrap();
    assert_eq!(envelope.payload, order(2));
    observer.shutdown().await.unwrap();
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed_v2", supersedes = OrderPlaced)]
struct OrderPlacedV2 {
    numbers: Vec<u32>,
}

impl From<OrderPlaced> for OrderPlacedV2 {
    fn from(old: OrderPlaced) -> Self {
        Self { numbers: vec![old.number] }
    }
}

#[subscriber]
async fn see_v2(order: EventEnvelope<OrderPlacedV2>, State(seen): State<Seen<(String, OrderPlacedV2)>>) {
    seen.send((order.event_type.clone(), order.payload)).unwrap();
}

async fn the_next_version_receives_the_old_key(bus: Bus) {
    let (seen, mut orders) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone()).state(seen).subscribe(see_v2).start().await.unwrap();
    bus.publish(order(7)).await.unwrap();
    bus.publish(OrderPlacedV2 { numbers: vec![1, 2] }).await.unwrap();
    let old = soon("the old one", orders.recv()).await.unwrap();
    assert_eq!(old, ("orders.order.placed".to_owned(), OrderPlacedV2 { numbers: vec![7] }));
    let new = soon("the new one", orders.recv()).await.unwrap();
    assert_eq!(new, ("orders.order.placed_v2".to_owned(), OrderPlacedV2 { numbers: vec![1, 2] }));
    app.shutdown().await.unwrap();
}

async fn a_layer_wraps_every_subscriber(bus: Bus) {
    let service = unique("svc");
    let (seen, mut numbers) = mpsc::unbounded_channel();
    let (through, mut passed) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone())
        .state(seen)
        .subscribe(refuse_odd)
        .layer(tower::layer::layer_fn(move |inner: bloodbank::handler::HandlerService| {
            let through = through.clone();
            tower::ServiceExt::map_request(inner, move |context: Context| {
                // Before the handler has read it.
                through.send(context.head().unwrap().event_id).unwrap();
                context
            })
        }))
        // A layer whose error is its own: handlers keep what they said.
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(20)))
        .start()
        .await
        .unwrap();
    let even = bus.publish(order(2)).await.unwrap();
    let odd = bus.publish(order(3)).await.unwrap();
    assert_eq!(soon("2", numbers.recv()).await, Some(2));
    assert_eq!(soon("the layer", passed.recv()).await, Some(even.event_id));
    assert_eq!(soon("the layer", passed.recv()).await, Some(odd.event_id));
    let parked = take(&bus, &format!("{service}.refuse_odd.dlq"), 1).await;
    assert_eq!(parked[0].properties.headers.text(names::REASON), Some("failed"));
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_service_has_one_name() {
    let source = |bus: &Bus| {
        let prepared = bus.publish(order(1)).prepare().unwrap();
        let said = (prepared.message().properties.app_id.clone().unwrap(), prepared.message().body.clone());
        (said.0.to_string(), RawEnvelope::read(&said.1).unwrap().source.app.unwrap())
    };
    let bus = crate::common::memory().await;
    let _app = App::new("greeter", bus.clone());
    assert_eq!((source(&bus), bus.service_name()), (("greeter".into(), "greeter".into()), "greeter"));

    let settings = Settings::from_vars([("SERVICE_NAME", "reception")]).unwrap();
    let bus = Bus::connect(settings).await.unwrap();
    let _app = App::new("greeter", bus.clone());
    assert_eq!(source(&bus), ("reception".into(), "reception".into()), "the settings win");
}

#[tokio::test]
async fn a_probe_outlives_the_app() {
    let app = App::new("svc", crate::common::memory().await).start().await.unwrap();
    let probe = app.probe();
    assert!(probe.health().ready);
    app.shutdown().await.unwrap();
    assert!(!probe.health().ready);
}

#[subscriber(queue = "the same")]
async fn one(_: OrderPlaced) {}

#[subscriber(queue = "the same")]
async fn another(_: OrderPlaced) {}

#[tokio::test]
async fn what_an_app_cannot_do_is_an_error_at_start_up() {
    let error =
        App::new("svc", crate::common::memory().await).subscribe(one).subscribe(another).start().await.unwrap_err();
    assert!(error.to_string().contains("`one` and `another`") && error.to_string().contains("`the same`"), "{error}");
}
