use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    error_message: Option<String>,
    is_retryable: bool,
    retry_count: i64,
}

fn main() {}
