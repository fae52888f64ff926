use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.cancel", command)]
struct Cancel {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct Failed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[command]
impl Command for Cancel {
    type State = ();
    type Failure = Failed;

    async fn execute(&self, _: &CommandContext<()>, events: &mut EventCollector) -> Result<(), Failed> {
        events.add(Cancel {});
        Ok(())
    }

    async fn rollback(&self, _: &CommandContext<()>) {}
}

fn main() {
    assert_eq!(bloodbank::Registry::global().executors().len(), 1);
}
