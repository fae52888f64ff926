use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct OrderPlaced {
    order_id: String,
}

fn main() {}

async fn publish(bus: &Bus) -> bloodbank::Result<()> {
    let order = OrderPlaced { order_id: "o-1".into() };
    bus.publish(order).await?;
    Ok(())
}
