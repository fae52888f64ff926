use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

struct OrderShipped {
    order_id: String,
}

#[subscriber]
async fn ship(event: OrderPlaced, publisher: Publisher) -> Result<(), HandlerError> {
    publisher.publish(OrderShipped { order_id: event.order_id }).await?;
    Ok(())
}

fn main() {}
