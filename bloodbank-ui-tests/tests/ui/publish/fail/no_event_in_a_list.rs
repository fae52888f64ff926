use bloodbank::prelude::*;

struct OrderPlaced {
    order_id: String,
}

fn main() {}

async fn publish(bus: &Bus) {
    for receipt in bus.publish_all(vec![OrderPlaced { order_id: "o-1".into() }]).await {
        println!("{receipt:?}");
    }
}
