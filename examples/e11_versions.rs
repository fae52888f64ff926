//! A new version of an event: subscribers of the new type also receive events that are still published in the old form.
//!
//! Run: `cargo run --example e11_versions`

use bloodbank::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

/// The old version, which is still published by services that were not deployed yet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "users.user.created")]
struct UserCreated {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "users.user.created_v2", supersedes = UserCreated)]
struct UserCreatedV2 {
    first_name: String,
    last_name: Option<String>,
}

impl From<UserCreated> for UserCreatedV2 {
    fn from(old: UserCreated) -> Self {
        match old.name.split_once(' ') {
            Some((first, last)) => Self { first_name: first.into(), last_name: Some(last.into()) },
            None => Self { first_name: old.name, last_name: None },
        }
    }
}

#[subscriber]
async fn welcome(user: UserCreatedV2, State(lines): State<UnboundedSender<String>>) {
    let _ = lines.send(format!("welcome, {} {}", user.first_name, user.last_name.unwrap_or_default()));
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (lines, mut greetings) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("welcome", bus.clone()).state(lines).subscribe(welcome).start().await?;

    bus.publish(UserCreated { name: "Ada Lovelace".into() }).await?;
    bus.publish(UserCreatedV2 { first_name: "Grace".into(), last_name: Some("Hopper".into()) }).await?;
    for _ in 0..2 {
        println!("{}", greetings.recv().await.unwrap_or_default());
    }
    app.shutdown().await
}
