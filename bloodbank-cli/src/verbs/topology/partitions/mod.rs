//! `bb topology partitions`.

mod rows;

use std::{collections::BTreeMap, io::Write, time::Duration};

use bloodbank_core::{
    Bus,
    transport::{
        self, Spreading, Topology,
        topology::{members_name, partition_name},
    },
};

use self::rows::{rows, show};
use crate::{
    connect,
    error::{CliError, Result},
    output::{
        self,
        style::{DIM, GOOD, paint},
    },
};

/// Show the partitions of the subscribers of this program, and change their number while publishers go on
///
/// Without a verb: what waits in each partition, and whether it is consumed. The number of partitions is changed in three steps: drain;
/// start all processes with the new number; switch. Events wait in the queue meanwhile.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  bb topology partitions
  bb topology partitions drain shop.follow --timeout 10m
  bb topology partitions switch shop.follow
  bb topology partitions resume shop.follow"
)]
pub(super) struct Partitions {
    /// Only those of this queue
    queue: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Hold the router, and wait until all partitions are empty; interrupted, it is run again
    Drain {
        /// The queue of the subscriber
        queue: String,
        /// How long to wait
        #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
        timeout: Duration,
    },
    /// Let the router go on with the number of partitions of this program
    Switch {
        /// The queue of the subscriber
        queue: String,
    },
    /// Let the router go on with the number of partitions that it had
    Resume {
        /// The queue of the subscriber
        queue: String,
    },
}

impl Partitions {
    pub(super) async fn run(self, topology: Topology) -> Result {
        let only = match &self.action {
            None => self.queue.as_deref(),
            Some(Action::Drain { queue, .. } | Action::Switch { queue } | Action::Resume { queue }) => Some(&**queue),
        };
        let split = split(&topology, only)?;
        let bus = connect::bus().await?;
        let done = match &self.action {
            None => async { show(&rows(&bus, &split).await?, &split, self.json) }.await,
            Some(Action::Drain { queue, timeout }) => drain(&bus, queue, *timeout).await,
            Some(Action::Switch { queue }) => {
                let number = split.get(queue).copied().unwrap_or_default();
                switch(&bus, queue, number, topology).await
            }
            Some(Action::Resume { queue }) => resume(&bus, queue).await,
        };
        bus.close().await;
        done
    }
}

/// The queues that are split, with the number of their partitions.
fn split(topology: &Topology, only: Option<&str>) -> Result<BTreeMap<String, u16>> {
    let has = |name: &str| topology.queues.iter().any(|queue| *queue.name == *name);
    let split = topology.queues.iter().filter(|queue| queue.single_active && has(&members_name(&queue.name)));
    let split: BTreeMap<_, _> = split
        .map(|queue| {
            let numbers = (0..u16::MAX).take_while(|number| has(&partition_name(&queue.name, *number)));
            (queue.name.to_string(), u16::try_from(numbers.count()).unwrap_or(u16::MAX))
        })
        .filter(|(queue, _)| only.is_none_or(|only| only == queue))
        .collect();
    match only {
        Some(queue) if split.is_empty() => Err(CliError::failed(format!(
            "no subscriber of this program splits a queue `{queue}`; `topology partitions` shows those that are split"
        ))),
        _ => Ok(split),
    }
}

fn partitions<'a>(bus: &'a Bus, queue: &str) -> transport::Partitions<'a> {
    transport::Partitions::of(bus.transport(), queue, bus.settings().queue_kind)
}

async fn drain(bus: &Bus, queue: &str, timeout: Duration) -> Result {
    let partitions = partitions(bus, queue);
    let number = partitions.hold().await?;
    output::note(&format!("the router of {queue} is held; waiting until its {number} partitions are empty"));
    partitions.drain(timeout).await?;
    Ok(writeln!(
        output::out(),
        "{} {queue}: start all processes with the new number, then run `topology partitions switch {queue}` of the program that has it; \
         `resume` goes on with {number}",
        paint(GOOD, "drained")
    )?)
}

async fn switch(bus: &Bus, queue: &str, number: u16, topology: Topology) -> Result {
    let partitions = partitions(bus, queue);
    if !matches!(partitions.spreading().await?, Some(Spreading::To(_))) {
        // There may be no process yet that has made the new ones.
        bus.transport().declare(topology).await?;
    }
    partitions.switch(number).await?;
    let mut out = output::out();
    writeln!(out, "{} {queue}: its events go to {number} partitions", paint(GOOD, "switched"))?;
    let left = left_over(bus, queue, number).await?;
    if !left.is_empty() && bus.settings().rabbit_url.is_some() {
        bloodbank_amqp::remove_queues(bus.settings(), &left).await?;
        writeln!(out, "{} {}: left over, empty and unused", paint(DIM, "removed"), left.join(", "))?;
    }
    Ok(())
}

/// The partitions that a larger number has left, of those that nobody uses.
async fn left_over(bus: &Bus, queue: &str, number: u16) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for number in number..u16::MAX {
        let name = partition_name(queue, number);
        let Some(status) = bus.transport().queue(name.as_str().into()).await? else { break };
        if status.waiting == 0 && status.consumers == 0 {
            left.push(name);
        }
    }
    Ok(left)
}

async fn resume(bus: &Bus, queue: &str) -> Result {
    let number = partitions(bus, queue).resume().await?;
    Ok(writeln!(output::out(), "{} {queue}: its events go to {number} partitions", paint(GOOD, "resumed"))?)
}
