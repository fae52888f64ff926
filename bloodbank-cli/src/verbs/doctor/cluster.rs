//! On how many nodes of RabbitMQ its queues live: only the management API can tell.

use bloodbank_client::{ClientError, ClusterStatus};
use bloodbank_core::{Settings, settings::QueueKind};

use super::{Finding, State, finding};

/// More names than these say nothing more.
const NAMES: usize = 5;

/// What is to be said about the cluster; `None`: nobody says that there is one.
pub(super) async fn probe(settings: &Settings) -> Option<Finding> {
    settings.rabbit_url.as_ref()?;
    let is_expected = settings.management_url.is_some() || settings.rabbit_urls().len() > 1;
    match ClusterStatus::ask(settings).await {
        Ok(status) if status.is_cluster() => Some(look(&status, settings.queue_kind)),
        Ok(_) => None,
        Err(error) if is_expected => Some(unknown(&error)),
        // A single broker without the plugin is nothing to be told about.
        Err(_) => None,
    }
}

fn unknown(error: &ClientError) -> Finding {
    let says = format!("on how many nodes each queue lives cannot be seen: {error}");
    finding("cluster", State::Warning, says)
}

fn look(status: &ClusterStatus, kind: QueueKind) -> Finding {
    let nodes = status.nodes.len();
    let mut warnings = Vec::new();
    if !status.down.is_empty() {
        warnings.push(format!("down: {}", names(&status.down)));
    }
    if let Some((_, node)) = status.lonely.first() {
        let queues: Vec<_> = status.lonely.iter().map(|(queue, _)| queue.clone()).collect();
        let other = status.nodes.iter().find(|other| *other != node).unwrap_or(node);
        warnings.push(format!(
            "quorum queues with one member, which stop with its node: {}; give them more: `rabbitmq-queues grow {other} all`, \
             and the same for each other node",
            names(&queues)
        ));
    }
    if kind == QueueKind::Classic && !status.classic.is_empty() {
        warnings.push(format!(
            "classic queues, each on one node, which get no event while that one is down: {}; use BLOODBANK_QUEUE_TYPE=quorum",
            names(&status.classic)
        ));
    }
    match warnings.is_empty() {
        true => finding("cluster", State::Ok, format!("{nodes} nodes; every quorum queue lives on several of them")),
        false => finding("cluster", State::Warning, format!("{nodes} nodes; {}", warnings.join("; "))),
    }
}

fn names(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(NAMES) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
