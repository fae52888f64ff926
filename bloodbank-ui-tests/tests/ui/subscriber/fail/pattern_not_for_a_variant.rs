use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fireflies.transcript.ready")]
struct TranscriptReady {}

#[derive(EventSet)]
enum Orders {
    Placed(OrderPlaced),
    Transcript(TranscriptReady),
}

#[subscriber(pattern = "orders.#")]
async fn log(_event: Orders) {}

fn main() {}
