use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber]
async fn log(_event: OrderPlaced) {
    let here = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(here);
}

fn main() {}
