use bloodbank::prelude::*;

struct OrderPlaced {
    order_id: String,
}

fn main() {}

async fn publish(bus: &Bus) -> bloodbank::Result<()> {
    let receipt = bus.publish(OrderPlaced { order_id: "o-1".into() }).await?;
    println!("{}", receipt.event_id);
    Ok(())
}
