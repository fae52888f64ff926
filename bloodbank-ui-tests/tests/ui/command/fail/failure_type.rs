use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.cancel", command, reply = OrderPlaced)]
struct CancelOrder {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[command]
impl Command for CancelOrder {
    type State = ();
    type Failure = OrderPlaced;

    async fn execute(
        &self,
        _context: &CommandContext<()>,
        _events: &mut EventCollector,
    ) -> Result<OrderPlaced, OrderPlaced> {
        todo!()
    }
}

fn main() {}
