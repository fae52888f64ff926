//! Retries with delays, and the dead-letter queue for events that cannot be handled.
//!
//! Run: `cargo run --example e09_retries_and_dead_letters`

use std::io;

use bloodbank::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "feeds.page.found")]
struct PageFound {
    url: String,
}

/// A subscriber that fails twice and then succeeds. Each attempt is a new delivery, after a delay on the broker.
#[subscriber(retry(max_attempts = 3, backoff = "250ms"))]
async fn fetch(
    page: PageFound,
    context: Context,
    State(lines): State<UnboundedSender<String>>,
) -> Result<(), HandlerError> {
    let _ = lines.send(format!("attempt {} of {}", context.attempt(), page.url));
    match page.url.as_str() {
        // No attempt can help: parked at once.
        "ftp://old.example.com" => Err(HandlerError::permanent("nobody speaks ftp any more")),
        _ if context.attempt() < 3 => Err(io::Error::other("the server does not answer"))?,
        _ => Ok(()),
    }
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (lines, mut attempts) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("crawler", bus.clone()).state(lines).subscribe(fetch).start().await?;

    bus.publish(PageFound { url: "https://example.com".into() }).await?;
    for _ in 0..3 {
        println!("{}", attempts.recv().await.unwrap_or_default());
    }
    bus.publish(PageFound { url: "ftp://old.example.com".into() }).await?;
    println!("{}; it is now in crawler.fetch.dlq", attempts.recv().await.unwrap_or_default());
    app.shutdown().await
}
