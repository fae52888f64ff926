use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Clone)]
struct Carrier;

#[subscriber]
async fn ship(State(_carrier): State<Carrier>, _event: OrderPlaced) {}

#[subscriber]
async fn log(_context: Context, _event: OrderPlaced) {}

#[subscriber]
async fn note(_context: Context) {}

fn main() {}

fn app(bus: Bus) {
    let _ = App::new("svc", bus).state(Carrier).subscribe(ship).subscribe(log).subscribe(note);
}
