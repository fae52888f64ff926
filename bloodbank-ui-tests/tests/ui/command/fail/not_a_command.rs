use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[command]
impl Command for OrderPlaced {
    type State = ();
    type Failure = OrderFailed;

    async fn execute(
        &self,
        _context: &CommandContext<()>,
        _events: &mut EventCollector,
    ) -> Result<(), OrderFailed> {
        todo!()
    }
}

fn main() {}
