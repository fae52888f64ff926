//! Versions, rules and generic events.

use bloodbank::{ErrorKind, Registry, event::Payload, prelude::*};
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.placed")]
struct PlacedV1 {
    cents: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.placed_v2", supersedes = PlacedV1)]
struct PlacedV2 {
    cents: u64,
    currency: String,
}

impl From<PlacedV1> for PlacedV2 {
    fn from(old: PlacedV1) -> Self {
        Self { cents: old.cents, currency: "EUR".into() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.placed_v3", supersedes = PlacedV2)]
struct PlacedV3 {
    amount: String,
}

impl From<PlacedV2> for PlacedV3 {
    fn from(old: PlacedV2) -> Self {
        Self { amount: format!("{} {}", old.cents, old.currency) }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event, garde::Validate)]
#[event(routing_key = "shop.order.paid", validate)]
struct Paid {
    #[garde(range(min = 1))]
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "wrapped.{kind}.done", concrete = WrappedOrder, id(inner, kind))]
struct Wrapper<T> {
    inner: T,
    kind: String,
}

type WrappedOrder = Wrapper<u64>;

fn body(key: &str, payload: &serde_json::Value) -> Vec<u8> {
    let id = uuid::Uuid::nil();
    json!({
        "event_id": id, "event_type": key, "timestamp": "2025-01-01T00:00:00Z", "version": "1.0.0",
        "source": {"host": "h", "type": "manual"}, "correlation_ids": [], "agent_context": null, "payload": payload,
    })
    .to_string()
    .into_bytes()
}

#[test]
fn older_versions_are_received_and_upcast() {
    let keys: Vec<_> = PlacedV3::DECLARATION.received_keys().collect();
    assert_eq!(keys, ["shop.order.placed_v3", "shop.order.placed_v2", "shop.order.placed"]);
    let from_first = PlacedV3::decode(&body("shop.order.placed", &json!({"cents": 5}))).unwrap();
    assert_eq!(from_first.payload.amount, "5 EUR");
    let from_second = body("shop.order.placed_v2", &json!({"cents": 5, "currency": "USD"}));
    assert_eq!(PlacedV3::decode(&from_second).unwrap().payload.amount, "5 USD");
    let own = PlacedV3::decode(&body("shop.order.placed_v3", &json!({"amount": "6 CHF"}))).unwrap();
    assert_eq!(own.payload.amount, "6 CHF");
    assert!(PlacedV3::decode(&body("shop.order.paid", &json!({"amount": "6 CHF"}))).is_err());
}

#[test]
fn rules_are_checked() {
    let paid = Registry::global().event_of::<Paid>().unwrap();
    assert!(paid.declaration().validated);
    assert!(Paid { cents: 1 }.validate().is_ok());
    let error = Paid { cents: 0 }.validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPayload);
    assert!(error.to_string().starts_with("`shop.order.paid` breaks its own rules: `cents`: "), "{error}");
}

#[test]
fn one_type_of_a_generic_family_is_the_event() {
    let wrapped = Wrapper { inner: 7_u64, kind: "order".into() };
    assert_eq!(wrapped.routing_key().unwrap(), "wrapped.order.done");
    assert_eq!(wrapped.unique_key().as_deref(), Some("inner=7|kind=order"));
    assert!(Registry::global().event_of::<WrappedOrder>().is_some());
}

#[derive(Debug, PartialEq, EventSet)]
enum OrderEvents {
    Placed(PlacedV2),
    Paid(Paid),
    #[event_set(other)]
    Other(serde_json::Value),
}

impl PartialEq for Paid {
    fn eq(&self, other: &Self) -> bool {
        self.cents == other.cents
    }
}

#[derive(Debug, EventSet)]
enum Closed {
    Paid(Paid),
}

#[test]
fn a_set_reads_the_variant_that_the_key_names() {
    let keys: Vec<_> = OrderEvents::DECLARATIONS.iter().map(|declaration| declaration.routing_key).collect();
    assert_eq!(keys, ["shop.order.placed_v2", "shop.order.paid"]);
    let decode = |key, payload| OrderEvents::decode(&body(key, &payload)).map(|envelope| envelope.payload);
    let upcast = PlacedV2 { cents: 5, currency: "EUR".into() };
    assert_eq!(decode("shop.order.placed", json!({"cents": 5})).unwrap(), OrderEvents::Placed(upcast));
    assert_eq!(decode("shop.order.paid", json!({"cents": 5})).unwrap(), OrderEvents::Paid(Paid { cents: 5 }));
    assert_eq!(decode("else.where", json!({"a": 1})).unwrap(), OrderEvents::Other(json!({"a": 1})));
    // Named, but wrong: not `Other`.
    assert!(decode("shop.order.paid", json!({"cents": 0})).is_err());
    assert!(decode("shop.order.paid", json!({"cents": "five"})).is_err());
}

#[test]
fn a_closed_set_refuses_the_rest() {
    let Closed::Paid(paid) = Closed::decode(&body("shop.order.paid", &json!({"cents": 5}))).unwrap().payload;
    assert_eq!(paid.cents, 5);
    let error = Closed::decode(&body("else.where", &json!({}))).unwrap_err();
    assert_eq!(error.to_string(), "unexpected event `else.where`; this subscriber receives `shop.order.paid`");
}
