//! What `#[subscriber]`, `#[command]`, `routing_key!` and `pattern!` expand to.

use std::time::Duration;

use bloodbank::{
    FailureEvent, Registry, Subscriber,
    handler::SubscriberFn,
    prelude::*,
    registry::{Backoff, OnFailure, SubscriberDescriptor},
    routing::{BindingPattern, RoutingKey},
};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "parcels.order.placed")]
pub struct OrderPlaced {
    order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "parcels.order.shipped")]
pub struct OrderShipped {
    order_id: String,
    carrier: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "parcels.order.failed", failure)]
pub struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[derive(Clone)]
pub struct Carrier(&'static str);

#[derive(Clone)]
pub struct Unused;

/// Ships what was placed.
#[subscriber(
    pattern = "parcels.*.placed",
    queue = "shipping.orders",
    concurrency = 8,
    prefetch = 64,
    ordered_by(order_id),
    timeout = "2m",
    retry(max_attempts = 7, backoff = "500ms..1m", max_age = "1h"),
    dedupe(within = "24h"),
    on_failure = discard
)]
pub async fn ship(order: OrderPlaced, State(carrier): State<Carrier>) -> Result<OrderShipped, OrderFailed> {
    if order.order_id.is_empty() {
        return Err(OrderFailed { error_message: "no id".into(), is_retryable: false, retry_count: 0 });
    }
    Ok(OrderShipped { order_id: order.order_id, carrier: carrier.0.into() })
}

#[subscriber]
async fn log(log: EventEnvelope<OrderShipped>) {
    let _ = log.event_id;
}

#[subscriber(retry(backoff = ["1s", "10s"]))]
async fn audit(event: OrderEvents, context: Context, _publisher: Publisher) -> Result<(), std::io::Error> {
    let order_id = match event {
        OrderEvents::Placed(placed) => placed.order_id,
        OrderEvents::Shipped(shipped) => shipped.order_id,
    };
    let _ = (order_id, context.attempt());
    Ok(())
}

#[derive(EventSet)]
enum OrderEvents {
    Placed(OrderPlaced),
    Shipped(OrderShipped),
}

fn descriptor(name: &str) -> &'static SubscriberDescriptor {
    let mut all = Registry::global().subscribers().iter();
    all.find(|subscriber| subscriber.location.file == file!() && subscriber.name == name)
        .expect("every subscriber of this file is registered")
}

fn keys(list: fn() -> Vec<&'static bloodbank::event::Declaration>) -> Vec<&'static str> {
    list().iter().map(|declaration| declaration.routing_key).collect()
}

/// Where a line of this file begins like that, from 1.
fn line_of(start: &str) -> u32 {
    let before = include_str!("handlers.rs").lines().take_while(|line| !line.starts_with(start));
    u32::try_from(before.count()).expect("a short file") + 1
}

#[test]
fn a_subscriber_is_in_the_registry_with_its_options() {
    let descriptor = descriptor("ship");
    assert_eq!(descriptor.docs, "Ships what was placed.");
    assert_eq!((descriptor.location.file, descriptor.location.line), (file!(), line_of("pub async fn ship")));
    assert_eq!(keys(descriptor.inputs), ["parcels.order.placed"]);
    assert_eq!(keys(descriptor.outputs), ["parcels.order.shipped", "parcels.order.failed"]);
    let options = descriptor.options;
    assert_eq!((options.pattern, options.queue), (Some("parcels.*.placed"), Some("shipping.orders")));
    assert_eq!((options.concurrency, options.effective_prefetch()), (8, 64));
    assert_eq!(options.ordered_by, Some("order_id"));
    assert_eq!(options.timeout, Duration::from_secs(120));
    assert_eq!(options.retry.max_attempts, 7);
    let (first, max) = (Duration::from_millis(500), Duration::from_secs(60));
    assert_eq!(options.retry.backoff, Backoff::Exponential { first, max });
    assert_eq!(options.retry.max_age, Some(Duration::from_secs(3600)));
    assert_eq!(options.dedupe_within, Some(Duration::from_secs(86_400)));
    assert_eq!(options.on_failure, OnFailure::Discard);
}

#[test]
fn inputs_and_outputs_come_from_the_types() {
    assert_eq!(keys(descriptor("log").inputs), ["parcels.order.shipped"]);
    assert_eq!(keys(descriptor("log").outputs), Vec::<&str>::new());
    assert_eq!(keys(descriptor("audit").inputs), ["parcels.order.placed", "parcels.order.shipped"]);
    const STEPS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
    assert_eq!(descriptor("audit").options.retry.backoff, Backoff::Steps(&STEPS));
}

#[tokio::test]
async fn a_subscriber_can_be_called_as_the_function_it_is() {
    let order = OrderPlaced { order_id: "o-1".into() };
    let shipped = ship(order, State(Carrier("dhl"))).await.unwrap();
    assert_eq!((shipped.order_id.as_str(), shipped.carrier.as_str()), ("o-1", "dhl"));
    let refused = ship(OrderPlaced { order_id: String::new() }, State(Carrier("dhl"))).await;
    assert_eq!(refused.unwrap_err().error_message(), "no id");
}

#[test]
fn an_app_with_the_states_accepts_it() {
    fn accepts<Provided, Arguments, Index, F>(function: F) -> &'static SubscriberDescriptor
    where
        F: SubscriberFn<Arguments, Subscriber: Subscriber<Provided, Index>>,
    {
        function.subscriber().descriptor()
    }
    assert_eq!(accepts::<(Unused, (Carrier, ())), _, _, _>(ship).name, "ship");
    assert_eq!(accepts::<(), _, _, _>(log).name, "log");
    assert_eq!(accepts::<(), _, _, _>(audit).name, "audit");
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "parcels.order.cancel", command, reply = OrderShipped)]
pub struct CancelOrder {}

#[command(timeout = "5s", retry(max_attempts = 2))]
impl Command for CancelOrder {
    type State = Carrier;
    type Failure = OrderFailed;

    async fn execute(
        &self,
        context: &CommandContext<Carrier>,
        events: &mut EventCollector,
    ) -> Result<OrderShipped, OrderFailed> {
        events.add(OrderPlaced { order_id: "o-2".into() });
        Ok(OrderShipped { order_id: "o-1".into(), carrier: context.state().0.into() })
    }
}

#[test]
fn an_executor_is_in_the_registry() {
    let all = Registry::global().executors().iter();
    let mut executors = all.filter(|one| one.declaration().routing_key == "parcels.order.cancel");
    let (Some(executor), None) = (executors.next(), executors.next()) else { panic!("one executor") };
    assert_eq!(executor.options().timeout, Duration::from_secs(5));
    assert_eq!(executor.options().retry.max_attempts, 2);
    assert!(executor.state_type().ends_with("::Carrier"));
    let outputs: Vec<_> = executor.outputs().iter().map(|declaration| declaration.routing_key).collect();
    assert_eq!(outputs, ["parcels.order.shipped", "parcels.order.failed"]);
}

#[test]
fn literals_are_constants() {
    const KEY: RoutingKey = routing_key!("parcels.order.placed");
    const PATTERN: BindingPattern = pattern!("parcels.#");
    assert_eq!(KEY, "parcels.order.placed");
    assert!(PATTERN.matches(&KEY));
    assert!(pattern!("parcels.*.*", crate = "bloodbank").matches(&routing_key!("parcels.order.placed")));
}
