use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

struct Carrier;

#[subscriber]
async fn ship(_event: OrderPlaced, State(_carrier): State<Carrier>) {}

fn main() {}

fn app(bus: Bus) {
    let _ = App::new("svc", bus).state(Carrier).subscribe(ship);
}
