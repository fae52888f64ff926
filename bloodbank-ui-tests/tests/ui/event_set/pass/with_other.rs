use bloodbank::{event::Payload, prelude::*};

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed")]
struct Placed {}

#[derive(EventSet)]
#[allow(dead_code)]
enum Orders {
    #[event_set(other)]
    Other(serde_json::Value),
    Placed(Placed),
}

fn main() {
    assert_eq!(Orders::DECLARATIONS.len(), 1);
}
