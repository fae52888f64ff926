use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.broken", failure)]
struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

fn main() {}
