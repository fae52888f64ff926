//! `bb topology`.

mod journal;
mod partitions;
mod switch;

use std::{collections::BTreeMap, io::Write};

use anstyle::Style;
use bloodbank_core::{
    Settings,
    transport::{
        self, TopologyStatus,
        topology::{ExchangeKind, PARKED_DELIVERY_LIMIT, Queue},
    },
};
use clap::ValueEnum;
use serde_json::json;

use crate::{
    app::AppFactories,
    connect,
    error::{CliError, Result},
    output::{
        self, Table,
        style::{BAD, DIM, GOOD, HEADING, KEY, WARN, paint},
    },
    runtime,
};

/// Show or declare what the app of this program needs on the broker
#[derive(Debug, clap::Args)]
#[command(
    name = "topology",
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  bb topology
  bb topology --json
  bb topology --format definitions > definitions.json; rabbitmqctl import_definitions definitions.json
  bb topology --format kubernetes | kubectl apply -f -
  bb topology declare
  bb topology journal enable
  bb topology switch status --from bloodbank.events.v1 --to bloodbank.events.v2
  bb topology partitions"
)]
pub(crate) struct Topology {
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text", conflicts_with = "json")]
    format: Format,
    /// The name of the RabbitmqCluster, for `kubernetes`
    #[arg(long, value_name = "NAME", default_value = "rabbitmq")]
    cluster: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// For `rabbitmqctl import_definitions`
    Definitions,
    /// For the topology operator of RabbitMQ
    Kubernetes,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make sure that all of it exists; what exists otherwise is named with its difference
    Declare,
    /// Make a queue forget its subscriber, so that another one can have it
    Release {
        /// The queue
        queue: String,
    },
    #[command(subcommand)]
    Journal(journal::Journal),
    #[command(subcommand)]
    Switch(switch::Switch),
    Partitions(partitions::Partitions),
    /// Compare it with the broker without changing anything; a difference ends with exit code 1
    Diff {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Topology {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        runtime::block_on(async {
            match self.action {
                Some(Action::Journal(journal)) => return journal.run().await,
                Some(Action::Switch(switch)) => return switch.run().await,
                _ => {}
            }
            let topology = apps.topology().await?;
            match self.action {
                None if self.json => Ok(json(&topology)?),
                None => match self.format {
                    Format::Text => Ok(output::out().write_all(text(&topology).as_bytes())?),
                    Format::Definitions => {
                        Ok(output::json(&bloodbank_amqp::definitions(&topology, &Settings::load()?)?)?)
                    }
                    Format::Kubernetes => {
                        let settings = Settings::load()?;
                        Ok(output::json(&bloodbank_amqp::manifests(&topology, &settings, &self.cluster)?)?)
                    }
                },
                Some(Action::Declare) => declare(topology).await,
                Some(Action::Release { queue }) => release(queue).await,
                Some(Action::Diff { json }) => diff(topology, json).await,
                Some(Action::Partitions(partitions)) => partitions.run(topology).await,
                Some(Action::Journal(_) | Action::Switch(_)) => Ok(()),
            }
        })
    }
}

async fn declare(topology: transport::Topology) -> Result {
    let bus = connect::bus().await?;
    let (exchanges, queues, bindings) = (topology.exchanges.len(), topology.queues.len(), topology.bindings.len());
    let declared = bus.transport().declare(topology).await;
    bus.close().await;
    declared?;
    writeln!(output::out(), "{} {exchanges} exchanges, {queues} queues, {bindings} bindings", paint(GOOD, "declared"))?;
    Ok(())
}

async fn release(queue: String) -> Result {
    let bus = connect::bus().await?;
    let released = bus.transport().release(queue.as_str().into()).await;
    bus.close().await;
    released?;
    Ok(writeln!(output::out(), "{} {queue}: the next subscriber that declares it has it", paint(GOOD, "released"))?)
}

/// The ladder of delays is the same for every service: one line says it.
fn is_retry_rung(name: &str) -> bool {
    name.starts_with("bloodbank.retry.")
}

/// What a declaration would make, and what it would be refused for.
async fn diff(topology: transport::Topology, as_json: bool) -> Result {
    let bus = connect::bus().await?;
    let compared = bus.transport().compare(topology).await;
    bus.close().await;
    let mut compared = compared?;
    let all = compared.len();
    compared.retain(|item| item.status != TopologyStatus::Equal);
    let differs =
        compared.iter().any(|item| matches!(item.status, TopologyStatus::Missing | TopologyStatus::Different(_)));
    if as_json {
        output::json(&compared)?;
    } else {
        let mut out = output::out();
        let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
        for item in &compared {
            match &item.status {
                TopologyStatus::Equal => {}
                TopologyStatus::Missing => writeln!(out, "{} {}", paint(WARN, "missing"), item.item)?,
                TopologyStatus::Different(_) => writeln!(out, "{} {item}", paint(BAD, "different"))?,
                TopologyStatus::Unknown(why) => *unknown.entry(why).or_default() += 1,
            }
            if let Some(remedy) = item.remedy() {
                writeln!(out, "  {remedy}")?;
            }
        }
        writeln!(out, "{} of {all} as declared", all - compared.len())?;
        for (why, count) in unknown {
            writeln!(out, "{count} {}: {why}", paint(DIM, "not known"))?;
        }
    }
    if differs { Err(CliError::check_failed()) } else { Ok(()) }
}

fn text(topology: &transport::Topology) -> String {
    let mut exchanges = Table::default();
    for exchange in topology.exchanges.iter().filter(|exchange| !is_retry_rung(&exchange.name)) {
        exchanges.styled([(exchange.name.to_string(), Style::new()), (exchange_kind(exchange.kind).to_owned(), DIM)]);
    }
    let mut queues = Table::default();
    for queue in topology.queues.iter().filter(|queue| !is_retry_rung(&queue.name)) {
        queues.styled([
            (queue.name.to_string(), Style::new()),
            (queue.kind.to_string(), DIM),
            (remarks(queue), Style::new()),
        ]);
    }
    for queue in &topology.foreign {
        let remark = "made by others; nothing of it is declared".to_owned();
        queues.styled([(queue.to_string(), Style::new()), ("foreign".to_owned(), DIM), (remark, Style::new())]);
    }
    let mut bindings = Table::default();
    for binding in topology.bindings.iter().filter(|binding| !is_retry_rung(&binding.exchange)) {
        bindings.styled([
            (binding.exchange.to_string(), Style::new()),
            (binding.pattern.to_string(), KEY),
            (format!("→ {}", binding.queue), Style::new()),
        ]);
    }
    let mut text = [("exchanges", exchanges), ("queues", queues), ("bindings", bindings)]
        .map(|(name, table)| format!("{}\n{}", paint(HEADING, name), table.render(2)))
        .concat();
    let rungs = topology.queues.iter().filter(|queue| is_retry_rung(&queue.name)).filter_map(|queue| queue.message_ttl);
    let rungs: Vec<_> = rungs.map(|delay| humantime::format_duration(delay).to_string()).collect();
    if !rungs.is_empty() {
        text.push_str(&format!(
            "{}\n  {}: each a queue `bloodbank.retry.…` behind an exchange of that name\n",
            paint(HEADING, "delays between attempts"),
            rungs.join(", ")
        ));
    }
    text
}

fn remarks(queue: &Queue) -> String {
    let mut remarks = Vec::new();
    if let Some(ttl) = queue.message_ttl {
        remarks.push(format!("keeps a message {}", humantime::format_duration(ttl)));
    }
    if let Some(limit) = queue.delivery_limit.filter(|limit| *limit < PARKED_DELIVERY_LIMIT) {
        remarks.push(format!("{limit} redeliveries"));
    }
    if let Some(length) = queue.max_length {
        remarks.push(format!("at most {length} messages"));
    }
    if let Some(priority) = queue.max_priority {
        remarks.push(format!("priorities up to {priority}"));
    }
    if queue.single_active {
        remarks.push("one consumer at a time".to_owned());
    }
    if let Some(to) = &queue.dead_letter {
        let exchange = if to.exchange.is_empty() { "the queue named by the key" } else { &to.exchange };
        remarks.push(format!("then to {exchange}"));
    }
    remarks.join(", ")
}

fn json(topology: &transport::Topology) -> std::io::Result<()> {
    let exchanges: Vec<_> = topology
        .exchanges
        .iter()
        .map(|exchange| json!({"name": &*exchange.name, "kind": exchange_kind(exchange.kind)}))
        .collect();
    let queues: Vec<_> = topology
        .queues
        .iter()
        .map(|queue| {
            json!({
                "name": &*queue.name,
                "kind": queue.kind.to_string(),
                "delivery_limit": queue.delivery_limit,
                "message_ttl_ms": queue.message_ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
                "max_length": queue.max_length,
                "max_priority": queue.max_priority,
                "single_active": queue.single_active,
                "dead_letter": queue.dead_letter.as_ref().map(|to| json!({"exchange": &*to.exchange, "routing_key": to.routing_key.as_deref()})),
            })
        })
        .collect();
    let bindings: Vec<_> = topology
        .bindings
        .iter()
        .map(|binding| json!({"exchange": &*binding.exchange, "pattern": &*binding.pattern, "queue": &*binding.queue}))
        .collect();
    output::json(&json!({"exchanges": exchanges, "queues": queues, "bindings": bindings, "foreign": topology.foreign}))
}

fn exchange_kind(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::Topic => "topic",
        ExchangeKind::Fanout => "fanout",
        ExchangeKind::Direct => "direct",
    }
}
