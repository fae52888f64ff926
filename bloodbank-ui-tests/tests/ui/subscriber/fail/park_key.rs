use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order: u32,
}

#[subscriber(ordered_by(order), retry(park_key))]
async fn others_pass(_order: OrderPlaced) {}

#[subscriber(retry(keep_order, park_key))]
async fn of_no_field(_order: OrderPlaced) {}

#[subscriber(ordered_by(order), retry(keep_order, park_key), on_failure = discard)]
async fn nothing_comes_back(_order: OrderPlaced) {}

fn main() {}
