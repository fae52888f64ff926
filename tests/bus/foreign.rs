//! Queues and exchanges that others make, and plain JSON without an envelope.

use std::sync::Arc;

use crate::common::{soon, take};
use bloodbank::{
    DeadLetters, ErrorKind,
    dead_letter::{Filter, Mode},
    message::{ForeignProperties, Format, HeaderValue, Headers, Outgoing, Properties, names},
    prelude::*,
    settings::QueueKind,
    transport::{
        Topology,
        topology::{Binding, Exchange, ExchangeKind, Queue},
    },
};
use bloodbank_harness::unique;
use tokio::sync::mpsc;
use uuid::Uuid;

on_every_bus! {
    an_app_does_not_start_without_the_queue_that_others_make,
    events_go_to_the_exchange_of_others_as_plain_json,
}

/// One test on every bus, with a queue for each: the buses may share a broker, and the name of a queue is a literal.
macro_rules! on_foreign_queues {
    ($($bus:ident $queue:tt),* $(,)?) => {
        mod foreign_queues {$(
            mod $bus {
                use super::super::*;

                #[subscriber(queue = $queue, foreign, format = "json", retry(max_attempts = 2, backoff = "250ms"))]
                async fn take_order(
                    order: EventEnvelope<OrderPlaced>,
                    context: Context,
                    State(seen): State<Seen>,
                ) -> Result<OrderTaken, HandlerError> {
                    handle(order, &context, &seen)
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn a_queue_of_others_is_consumed_without_an_envelope() {
                    let bus = crate::common::$bus().await;
                    let (seen, handled) = mpsc::unbounded_channel();
                    let app = App::new(unique("svc"), bus.clone()).state(seen).subscribe(take_order);
                    consume(&bus, $queue, app, handled).await;
                }
            }
        )*}
    };
}

on_foreign_queues! {
    memory "legacy.orders.memory",
    file "legacy.orders.file",
    quorum "legacy.orders.quorum",
    classic "legacy.orders.classic",
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "legacy.order.placed", external)]
struct OrderPlaced {
    order: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "legacy.order.taken")]
struct OrderTaken {
    order: u32,
}

struct Handled {
    order: EventEnvelope<OrderPlaced>,
    attempt: u32,
    exchange: Arc<str>,
    routing_key: Arc<str>,
    headers: Headers,
    may_fail: bool,
}

type Seen = mpsc::UnboundedSender<Handled>;

/// Fails until the dead letter is redriven.
fn handle(order: EventEnvelope<OrderPlaced>, context: &Context, seen: &Seen) -> Result<OrderTaken, HandlerError> {
    let message = context.message();
    let may_fail = context.headers().get(names::REDRIVEN).is_none();
    let taken = OrderTaken { order: order.payload.order };
    assert_eq!(context.event_id(), order.event_id);
    seen.send(Handled {
        order,
        attempt: context.attempt(),
        exchange: Arc::clone(&message.exchange),
        routing_key: Arc::clone(&message.routing_key),
        headers: context.headers().clone(),
        may_fail,
    })
    .unwrap();
    if may_fail && taken.order == 1 { Err(HandlerError::retry("not yet")) } else { Ok(taken) }
}

/// What others have made: an exchange, a queue that is bound to it, and a queue that further keys lead to.
async fn made_by_others(bus: &Bus, queue: &str) -> (Arc<str>, Arc<str>) {
    let (exchange, other): (Arc<str>, Arc<str>) = (unique("legacy").into(), unique("legacy.copies").into());
    let bind = |queue: &str, pattern: &str| Binding {
        exchange: Arc::clone(&exchange),
        queue: queue.into(),
        pattern: pattern.into(),
    };
    let topology = Topology::default()
        .exchanges([Exchange { name: Arc::clone(&exchange), kind: ExchangeKind::Topic }])
        .queues([
            Queue::new(queue, QueueKind::Classic).max_length(1000),
            Queue::new(Arc::clone(&other), QueueKind::Classic),
        ])
        .bindings([bind(queue, "order.#"), bind(&other, &other)]);
    bus.transport().declare(topology).await.unwrap();
    (exchange, other)
}

async fn consume(
    bus: &Bus,
    queue: &str,
    app: App<impl Sized + 'static>,
    mut handled: mpsc::UnboundedReceiver<Handled>,
) {
    let (exchange, copies) = made_by_others(bus, queue).await;
    let app = app.start().await.unwrap();
    // Nothing but its dead letters and the delays was made: no binding to our exchange.
    let unrouted = bus.publish(OrderPlaced { order: 9 }).await.unwrap().unrouted;
    assert_eq!(unrouted, Some(true), "nothing is bound to the queue of others");

    let properties = Properties::default()
        .foreign(ForeignProperties::default().message_id(Some("order 1".into())).content_type(Some("text/json".into())))
        .header("tenant", "acme")
        .header("weights", HeaderValue::List(vec![HeaderValue::Float(0.5), HeaderValue::Void]))
        // Also to a further key, once.
        .header("CC", HeaderValue::List(vec![(&*copies).into()]));
    let body = r#"{ "order": 1, "unknown": [null] }"#;
    let message = Outgoing::new(Arc::clone(&exchange), "order.new.express", body).properties(properties).mandatory();
    bus.transport().publish(message).await.unwrap();

    let mut ids = Vec::new();
    let mut check = |handled: &Handled, attempt: u32| {
        assert_eq!((handled.order.payload.order, handled.attempt), (1, attempt));
        assert_eq!((&*handled.exchange, &*handled.routing_key), (&*exchange, "order.new.express"));
        assert_eq!(handled.order.event_type, "legacy.order.placed");
        assert_eq!(handled.headers.text("tenant"), Some("acme"));
        let weights = HeaderValue::List(vec![HeaderValue::Float(0.5), HeaderValue::Void]);
        assert_eq!(handled.headers.get("weights"), Some(&weights));
        ids.push(handled.order.event_id);
    };
    for attempt in [1, 2] {
        check(&soon("an attempt", handled.recv()).await.unwrap(), attempt);
    }

    // The dead letter is the message as it came, and this program can read it.
    let letters = DeadLetters::of(bus, queue);
    let all = soon("a dead letter", async {
        loop {
            let all = letters.list(&Filter::default()).await.unwrap();
            if !all.is_empty() {
                break all;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let letter = &all[0];
    assert_eq!((&*letter.event_type, &*letter.reason), ("legacy.order.placed", "attempts"));
    assert_eq!((&*letter.exchange, &*letter.routing_key), (&*exchange, "order.new.express"));
    assert_eq!(letter.message.body, body.as_bytes());
    let foreign = letter.message.properties.foreign.as_ref().unwrap();
    assert_eq!(foreign.message_id.as_deref(), Some("order 1"));
    assert_eq!(foreign.content_type.as_deref(), Some("text/json"));
    let letter_id = letter.event_id.unwrap();
    assert_eq!(letter.decode().unwrap().event_id, letter_id);

    // Redriven, it is the same event, and its follow-up is caused by it.
    letters.redrive(&Filter::default(), Mode::Apply).await.unwrap();
    let again = soon("the redriven event", handled.recv()).await.unwrap();
    check(&again, 1);
    assert!(!again.may_fail);
    assert!(ids.iter().all(|id| *id == letter_id), "{ids:?} {letter_id}");
    app.shutdown().await.unwrap();
    // The embedded bus knows no further keys.
    let further = usize::from(bus.transport().system() == "rabbitmq");
    assert!(take(bus, &copies, further).await.iter().all(|message| message.body == body.as_bytes()));
    let status = bus.transport().queue(copies).await.unwrap().unwrap();
    assert_eq!(status.waiting, 0, "no copy went to the further key");
    let status = bus.transport().queue(queue.into()).await.unwrap().unwrap();
    assert_eq!(status.waiting, 0, "all of it is settled");
}

#[subscriber(queue = "legacy.orders.nobody", foreign)]
async fn see_nothing(_: OrderPlaced) {}

async fn an_app_does_not_start_without_the_queue_that_others_make(bus: Bus) {
    let app = App::new(unique("svc"), bus.clone()).subscribe(see_nothing);
    let topology = app.topology();
    let error = app.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let said = error.to_string();
    for part in ["`legacy.orders.nobody`", "others make", "correct its name"] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    let compared = bus.transport().compare(topology).await.unwrap();
    let shown: Vec<_> = compared.iter().map(ToString::to_string).collect();
    assert!(shown.contains(&"the foreign queue `legacy.orders.nobody`: missing".to_owned()), "{shown:?}");
    assert_eq!(bus.transport().queue("legacy.orders.nobody".into()).await.unwrap(), None, "it is not made");
}

async fn events_go_to_the_exchange_of_others_as_plain_json(bus: Bus) {
    let queue = unique("legacy.queue");
    let (exchange, _) = made_by_others(&bus, &queue).await;
    let parent = Uuid::new_v4();
    let receipt = bus
        .publish(OrderTaken { order: 7 })
        .exchange(Arc::clone(&exchange))
        .routing_key("order.taken.EU")
        .format(Format::Json)
        .priority(3)
        .caused_by(&parent)
        .await
        .unwrap();
    assert_eq!(receipt.unrouted, Some(false));
    assert_eq!(&*receipt.event_type, "legacy.order.taken");
    bus.publish(OrderTaken { order: 8 }).exchange(Arc::clone(&exchange)).routing_key("order.x").await.unwrap();
    let [plain, whole] = take(&bus, &queue, 2).await.try_into().unwrap();
    assert_eq!((&*plain.exchange, &*plain.routing_key), (&*exchange, "order.taken.EU"));
    assert_eq!(plain.body, &br#"{"order":7}"#[..]);
    let properties = &plain.properties;
    assert_eq!((properties.message_id, properties.correlation_id), (Some(receipt.event_id), Some(parent)));
    assert_eq!((properties.event_type.as_deref(), properties.priority), (Some("legacy.order.taken"), Some(3)));
    assert!(properties.timestamp.is_some() && properties.app_id.is_some());
    assert!(serde_json::from_slice::<EventEnvelope<OrderTaken>>(&whole.body).is_ok());
    let error = bus.publish(OrderTaken { order: 1 }).exchange(unique("legacy.nobody")).await.unwrap_err();
    assert!(error.to_string().contains("exchange"), "{error}");
}

/// Its fields say which event it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "legacy.ticket.{state}", id(ticket), external)]
struct TicketMoved {
    ticket: String,
    state: String,
}

#[subscriber(queue = "legacy.tickets", foreign, format = "json", dedupe(within = "1h"))]
async fn see_ticket(ticket: EventEnvelope<TicketMoved>, State(seen): State<mpsc::UnboundedSender<(Uuid, String)>>) {
    seen.send((ticket.event_id, ticket.event_type)).unwrap();
}

#[subscriber(queue = "legacy.ticks", foreign, format = "json")]
async fn see_tick(tick: EventEnvelope<OrderPlaced>, State(seen): State<mpsc::UnboundedSender<(Uuid, String)>>) {
    seen.send((tick.event_id, tick.event_type)).unwrap();
}

/// The id of a message: its own, where it is a UUID; what the event declares; what the message is made of.
#[cfg(feature = "testing")]
#[tokio::test]
async fn the_id_of_a_message_without_one_is_the_same_each_time() {
    let bus = bloodbank::testing::TestBus::new();
    let queues = ["legacy.tickets", "legacy.ticks"].map(|queue| Queue::new(queue, QueueKind::Classic));
    bus.transport().declare(Topology::default().queues(queues)).await.unwrap();
    let (seen, mut ids) = mpsc::unbounded_channel();
    let app = App::new("svc", bus.bus()).state(seen).subscribe(see_ticket).subscribe(see_tick).start().await.unwrap();
    let send = async |queue: &str, body: &str, properties: Properties| {
        bus.transport().publish(Outgoing::new("", queue, body.to_owned()).properties(properties)).await.unwrap();
        bus.idle().await;
    };
    let ticket = r#"{ "ticket": "t-1", "state": "done" }"#;
    send("legacy.tickets", ticket, Properties::default()).await;
    let declared = bloodbank::event_id::deterministic("legacy.ticket.done", "ticket=t-1");
    assert_eq!(ids.try_recv().unwrap(), (declared, "legacy.ticket.done".to_owned()));
    // The same event once more, in other words.
    send("legacy.tickets", r#"{"state":"done","ticket":"t-1"}"#, Properties::default().header("hop", 2_u32)).await;
    assert!(ids.try_recv().is_err(), "it is a duplicate");
    let own = Uuid::new_v4();
    send("legacy.tickets", ticket, Properties::default().message_id(own)).await;
    assert_eq!(ids.try_recv().unwrap().0, own);

    let named = |name: &str| Properties::default().foreign(ForeignProperties::default().message_id(Some(name.into())));
    let mut received = Vec::new();
    for (body, properties) in [
        (r#"{"order":1}"#, named("a")),
        (r#"{"order":2}"#, named("a")),
        (r#"{"order":1}"#, named("b")),
        (r#"{"order":1}"#, Properties::default()),
        (r#"{"order":1}"#, Properties::default().header("hop", 2_u32)),
        (r#"{"order":2}"#, Properties::default()),
    ] {
        send("legacy.ticks", body, properties).await;
        received.push(ids.try_recv().unwrap().0);
    }
    assert_eq!(received[0], received[1], "the message id names it");
    assert_eq!(received[3], received[4], "headers do not: the broker adds some");
    let mut different = received.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 4, "{received:?}");

    send("legacy.ticks", "order 1", Properties::default()).await;
    let letters = bus.dead_lettered::<OrderPlaced>();
    assert_eq!((letters.len(), &*letters[0].reason), (1, "undecodable"));
    assert!(letters[0].error.contains("no JSON, which is the format of this subscriber"), "{}", letters[0].error);
    send("legacy.ticks", r#"{"order":"one"}"#, Properties::default()).await;
    let letters = bus.dead_lettered::<OrderPlaced>();
    assert_eq!((letters.len(), &*letters[1].reason), (2, "invalid"));
    assert!(letters[1].error.contains("/order"), "{}", letters[1].error);

    bus.publish(OrderTaken { order: 3 }).format(Format::Json).await.unwrap();
    assert_eq!(bus.published::<OrderTaken>()[0].payload, OrderTaken { order: 3 });
    app.shutdown().await.unwrap();
}
