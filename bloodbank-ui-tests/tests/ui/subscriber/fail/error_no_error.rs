use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Debug)]
enum CarrierError {
    Closed,
}

#[subscriber]
async fn ship(_event: OrderPlaced) -> Result<(), CarrierError> {
    Err(CarrierError::Closed)
}

fn main() {}

fn app(bus: Bus) {
    let _ = App::new("svc", bus).subscribe(ship);
}
