use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

struct Carrier;

#[subscriber]
async fn log(_event: OrderPlaced, _carrier: Carrier, _context: Context) {}

fn main() {}
