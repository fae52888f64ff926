//! Commands: executed by exactly one handler, with follow-ups, a reply, and a rollback.
//!
//! Run: `cargo run --example e07_commands`

use bloodbank::{CommandManager, prelude::*};
use tokio::sync::mpsc::UnboundedSender;

/// Charges a card. `reply` names the event that answers the command.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "payments.card.charge", command, reply = CardCharged)]
struct ChargeCard {
    card: String,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "payments.card.charged")]
struct CardCharged {
    card: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "payments.receipt.printed")]
struct ReceiptPrinted {
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "payments.card.failed", failure)]
struct ChargeFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

/// The bank: the state of the command.
#[derive(Debug, Clone)]
struct Bank {
    log: UnboundedSender<String>,
}

#[command]
impl Command for ChargeCard {
    type State = Bank;
    type Failure = ChargeFailed;

    async fn execute(
        &self,
        context: &CommandContext<Bank>,
        events: &mut EventCollector,
    ) -> Result<CardCharged, ChargeFailed> {
        let _ = context.state().log.send(format!("charging {} cents to {}", self.cents, self.card));
        // Published after success only, before the reply.
        events.add(ReceiptPrinted { cents: self.cents });
        if self.card == "stolen" {
            return Err(ChargeFailed {
                error_message: "the card is stolen".into(),
                is_retryable: false,
                retry_count: 0,
            });
        }
        Ok(CardCharged { card: self.card.clone() })
    }

    async fn rollback(&self, context: &CommandContext<Bank>) {
        let _ = context.state().log.send(format!("giving {} cents back to {}", self.cents, self.card));
    }
}

#[derive(Debug, EventSet)]
enum Payment {
    Charged(CardCharged),
    Receipt(ReceiptPrinted),
    Failed(ChargeFailed),
}

#[subscriber]
async fn watch(payment: Payment, State(bank): State<Bank>) {
    let line = match payment {
        Payment::Charged(charged) => format!("{} was charged", charged.card),
        Payment::Receipt(receipt) => format!("a receipt over {} cents was printed", receipt.cents),
        Payment::Failed(failed) => format!("failed: {}", failed.error_message),
    };
    let _ = bank.log.send(line);
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (log, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("payments", bus.clone())
        .state(Bank { log })
        .subscribe(watch)
        .commands(CommandManager::linked())
        .start()
        .await?;

    bus.publish(ChargeCard { card: "4711".into(), cents: 4200 }).await?;
    for _ in 0..3 {
        println!("{}", lines.recv().await.unwrap_or_default());
    }
    bus.publish(ChargeCard { card: "stolen".into(), cents: 100 }).await?;
    for _ in 0..3 {
        println!("{}", lines.recv().await.unwrap_or_default());
    }
    app.shutdown().await
}
