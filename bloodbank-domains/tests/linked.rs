//! A crate that only declares events is found when it is named, and nothing else of it is used.

use bloodbank_core::{Registry, event::EventKind};
use bloodbank_domains as _;

#[test]
fn a_domain_crate_that_is_only_named_is_found() {
    let registry = Registry::global();
    assert!(registry.check().faults.is_empty(), "{:?}", registry.check());
    let prompt = registry.event("agent.thread.prompt").expect("linked");
    assert_eq!(prompt.kind(), EventKind::Command);
    assert_eq!(prompt.declaration().reply, Some("agent.thread.response"));
    assert_eq!(prompt.domain(), "agent/thread");
    assert_eq!(prompt.location().crate_name, "bloodbank-domains");
    assert!(prompt.location().file.ends_with("src/agent.rs"), "{}", prompt.location());
    assert_eq!(registry.event("artifact.deleted").expect("by its template").routing_key(), "artifact.{action}");
    assert!(registry.event("artifact.deleted.twice").is_none());
    assert_eq!(
        registry.domains().collect::<Vec<_>>(),
        ["agent/thread", "artifact", "fireflies", "github", "llm", "logjangler/thread"]
    );
    assert_eq!(
        registry.commands().map(|event| event.routing_key()).collect::<Vec<_>>(),
        ["agent.thread.prompt", "fireflies.transcript.fetch"]
    );
    let fireflies: Vec<_> = registry.matching("*.*.failed").map(|event| event.routing_key()).collect();
    assert_eq!(fireflies, ["artifact.ingestion.failed", "fireflies.transcript.failed"]);
}
