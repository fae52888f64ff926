//! Request and reply: publish a command and wait for its reply.
//!
//! Run: `cargo run --example e08_request_reply`

use bloodbank::{CommandManager, prelude::*};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "maths.number.divide", command, reply = Divided)]
struct Divide {
    dividend: i64,
    divisor: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "maths.number.divided")]
struct Divided {
    quotient: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "maths.number.failed", failure)]
struct DivisionFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[command]
impl Command for Divide {
    type State = ();
    type Failure = DivisionFailed;

    async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<Divided, DivisionFailed> {
        match self.dividend.checked_div(self.divisor) {
            Some(quotient) => Ok(Divided { quotient }),
            None => Err(DivisionFailed {
                error_message: "nothing divides by zero".into(),
                is_retryable: false,
                retry_count: 0,
            }),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    bloodbank::init_logging();
    let bus = Bus::from_env().await?;
    let app = App::new("maths", bus.clone()).commands(CommandManager::linked()).start().await?;

    let divided = bus.execute(Divide { dividend: 42, divisor: 6 }).await?;
    println!("42 / 6 = {}", divided.quotient);

    let error = bus.execute(Divide { dividend: 42, divisor: 0 }).await.expect_err("by zero");
    println!("42 / 0: {error}");
    let failure: DivisionFailed = error.failure().ok_or("not the failure event of this command")?;
    println!("as a typed event: {failure:?}");

    app.shutdown().await?;
    Ok(())
}
