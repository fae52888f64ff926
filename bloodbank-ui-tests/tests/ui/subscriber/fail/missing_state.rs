use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Clone)]
struct Carrier;

#[derive(Clone)]
struct Other;

#[subscriber]
async fn log(_event: OrderPlaced, _carrier: State<Carrier>) {}

fn main() {}

fn app(bus: Bus) {
    let _ = App::new("svc", bus).state(Other).subscribe(log);
}
