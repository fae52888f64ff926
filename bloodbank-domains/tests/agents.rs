//! The agents of `bloodbank_domains::agents`: programs, chat endpoints and the echo.
#![cfg(all(unix, feature = "agents"))]
#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]

#[path = "agents/exec.rs"]
mod exec;
#[cfg(feature = "http")]
#[path = "agents/http.rs"]
mod http;
#[path = "agents/settings.rs"]
mod settings;

use std::time::Duration;

use bloodbank_core::{App, CommandManager};
use bloodbank_domains::{
    agent::{AgentThreadError, AgentThreadPrompt, AgentThreadResponse},
    agents::Agents,
};
use bloodbank_testing::TestBus;

/// Longer than anything here should take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn prompt(text: &str) -> AgentThreadPrompt {
    AgentThreadPrompt {
        provider: "anthropic".into(),
        model: None,
        prompt: text.into(),
        project: None,
        working_dir: None,
        domain: None,
        tags: Vec::new(),
    }
}

/// Publishes a prompt and returns its reply or failure.
async fn ask(agents: Agents, prompt: AgentThreadPrompt) -> Result<AgentThreadResponse, AgentThreadError> {
    let bus = TestBus::new();
    let app = App::new("agents", bus.bus()).state(agents).commands(CommandManager::linked()).start().await.unwrap();
    let receipt = bus.publish(prompt).await.unwrap();
    bus.idle().await;
    app.shutdown().await.unwrap();
    let mut failures = bus.published::<AgentThreadError>();
    match bus.published::<AgentThreadResponse>().pop() {
        Some(response) => {
            assert!(failures.is_empty());
            assert_eq!(response.correlation_ids, [receipt.event_id]);
            assert_eq!(response.payload.prompt_id, Some(receipt.event_id.to_string()));
            assert!(response.payload.duration_ms.is_some());
            Ok(response.payload)
        }
        None => {
            let failure = failures.pop().unwrap();
            assert_eq!(failure.correlation_ids, [receipt.event_id]);
            assert_eq!(failure.payload.metadata["original_event_id"], receipt.event_id.to_string());
            // What can be tried again waits for it; what cannot is parked.
            let (retried, parked) = (bus.retried::<AgentThreadPrompt>(), bus.dead_lettered::<AgentThreadPrompt>());
            let expected = if failure.payload.is_retryable { (1, 0) } else { (0, 1) };
            assert_eq!((retried.len(), parked.len()), expected);
            Err(failure.payload)
        }
    }
}

/// The failure of a prompt, which must have this code.
async fn fails(agents: Agents, prompt: AgentThreadPrompt, code: &str) -> AgentThreadError {
    let failure = ask(agents, prompt).await.expect_err("a failure");
    assert_eq!(failure.error_code.as_deref(), Some(code), "{failure:?}");
    failure
}
