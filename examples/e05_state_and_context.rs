//! The extractors of a subscriber: state, context, and a publisher that knows the cause.
//!
//! Run: `cargo run --example e05_state_and_context`

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bloodbank::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mail.message.received")]
struct MessageReceived {
    subject: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mail.message.filed")]
struct MessageFiled {
    number: u64,
}

/// A subscriber that takes a state which the app does not provide does not compile.
#[derive(Debug, Clone, Default)]
struct Archive(Arc<AtomicU64>);

#[subscriber(concurrency = 8, timeout = "5s")]
async fn file(
    message: MessageReceived,
    State(archive): State<Archive>,
    context: Context,
    publisher: Publisher,
) -> bloodbank::Result<()> {
    let number = archive.0.fetch_add(1, Ordering::Relaxed) + 1;
    println!(
        "attempt {} of {:?} from {}; {} s left; filed as {number}",
        context.attempt(),
        message.subject,
        context.queue(),
        context.deadline().duration_since(Instant::now()).as_secs(),
    );
    // Published at once, as a child of the message; what a subscriber returns is published after it has succeeded.
    publisher.publish(MessageFiled { number }).await?;
    Ok(())
}

#[subscriber]
async fn confirm(filed: EventEnvelope<MessageFiled>, State(done): State<UnboundedSender<String>>) {
    let _ = done.send(format!("number {} was filed because of {:?}", filed.payload.number, filed.correlation_ids));
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (done, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("archive", bus.clone())
        .state(Archive::default())
        .state(done)
        .subscribe(file)
        .subscribe(confirm)
        .start()
        .await?;

    bus.publish(MessageReceived { subject: "hello".into() }).await?;
    println!("{}", lines.recv().await.unwrap_or_default());
    app.shutdown().await
}
