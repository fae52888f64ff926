use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "Orders.placed")]
struct OrderPlaced {}

#[subscriber(pattern = "orders.#")]
async fn log(_event: OrderPlaced) {}

fn publish(bus: &Bus) {
    let _ = bus.publish(OrderPlaced {});
}

fn main() {}
