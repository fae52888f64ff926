use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

fn main() {}

async fn publish(bus: &Bus) {
    let order = OrderPlaced { order_id: "o-1".into() };
    let _ = bus.publish(order).caused_by(&"text");
}
