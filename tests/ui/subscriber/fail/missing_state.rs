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

fn app_with_other<S: bloodbank::Subscriber<(Other, ()), Index>, Index>(_: S) {}

fn main() {
    app_with_other(log);
}
