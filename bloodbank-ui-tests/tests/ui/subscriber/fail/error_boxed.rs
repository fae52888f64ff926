use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber]
async fn ship(_event: OrderPlaced) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {}

fn app(bus: Bus) {
    let _ = App::new("svc", bus).subscribe(ship);
}
