//! `bb topology partitions`.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anstyle::Style;
use bloodbank_client::Connection;
use bloodbank_core::{
    Settings,
    transport::{
        QueueStatus, Topology,
        topology::{members_name, partition_name},
    },
};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{
    connect,
    error::{CliError, Result},
    output::{
        self, Table,
        style::{BAD, DIM, GOOD, HEADING, KEY, WARN, paint},
    },
};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Show the partitions of the subscribers of this program: what waits in each, and whether it is consumed
///
/// Before the number of partitions is changed, all of them have to be empty: stop what publishes, then wait with --until-empty.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb topology partitions
  bb topology partitions shop.follow --until-empty --timeout 10m")]
pub(super) struct Partitions {
    /// Only those of this queue
    queue: Option<String>,
    /// Wait until nothing is in them any more, and in no hand
    #[arg(long)]
    until_empty: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A queue that is split, or one of its partitions.
#[derive(Debug, Serialize)]
struct Row {
    queue: String,
    #[serde(rename = "partition")]
    number: Option<u16>,
    waiting: u64,
    /// `None`: only the management API tells.
    in_hand: Option<u64>,
    consumers: u64,
    /// Whether the program has fewer partitions by now, so that nobody consumes it.
    left_over: bool,
}

impl Partitions {
    pub(super) async fn run(self, topology: &Topology) -> Result {
        let split = self.split(topology)?;
        let settings = Settings::load()?;
        let bus = connect::bus().await?;
        let connection = Connection::Bus(bus);
        let done = self.look(&connection, &settings, &split).await;
        connection.close().await;
        done
    }

    /// The queues that are split, with the number of their partitions.
    fn split(&self, topology: &Topology) -> Result<BTreeMap<String, u16>> {
        let has = |name: &str| topology.queues.iter().any(|queue| *queue.name == *name);
        let split = topology.queues.iter().filter(|queue| queue.single_active && has(&members_name(&queue.name)));
        let split: BTreeMap<_, _> = split
            .map(|queue| {
                let numbers = (0..u16::MAX).take_while(|number| has(&partition_name(&queue.name, *number)));
                (queue.name.to_string(), u16::try_from(numbers.count()).unwrap_or(u16::MAX))
            })
            .filter(|(queue, _)| self.queue.as_ref().is_none_or(|only| only == queue))
            .collect();
        match &self.queue {
            Some(queue) if split.is_empty() => Err(CliError::failed(format!(
                "no subscriber of this program splits a queue `{queue}`; `topology partitions` shows those that are split"
            ))),
            _ => Ok(split),
        }
    }

    async fn look(&self, connection: &Connection, settings: &Settings, split: &BTreeMap<String, u16>) -> Result {
        let deadline = Instant::now() + self.timeout;
        loop {
            let rows = rows(connection, settings, split).await?;
            let busy: Vec<_> = rows.iter().filter(|row| !row.is_empty()).collect();
            if self.until_empty && !busy.is_empty() {
                if Instant::now() < deadline {
                    sleep(INTERVAL).await;
                    continue;
                }
                let busy: Vec<_> = busy.iter().map(|row| row.name()).collect();
                return Err(CliError::failed(format!(
                    "not empty within {}: {}; check that what publishes is stopped and that the app runs, or wait longer with \
                     --timeout; `topology partitions` shows what waits",
                    humantime::format_duration(self.timeout),
                    busy.join(", ")
                )));
            }
            show(&rows, self.json)?;
            if self.until_empty && !self.json {
                writeln!(
                    output::out(),
                    "{} stop the processes, and start all of them with the new number",
                    paint(GOOD, "empty")
                )?;
            }
            return Ok(());
        }
    }
}

impl Row {
    fn new(queue: &str, number: Option<u16>, status: &QueueStatus, left_over: bool) -> Self {
        let QueueStatus { waiting, unsettled: in_hand, consumers, .. } = status;
        Self { queue: queue.to_owned(), number, waiting: *waiting, in_hand: *in_hand, consumers: *consumers, left_over }
    }

    fn name(&self) -> String {
        self.number.map_or_else(|| self.queue.clone(), |number| partition_name(&self.queue, number))
    }

    /// Whether nothing waits, and nobody can have an event in hand.
    fn is_empty(&self) -> bool {
        self.waiting == 0 && self.in_hand.map_or(self.consumers == 0, |in_hand| in_hand == 0)
    }
}

/// The state of the queues that are split and of their partitions, those included that an earlier, larger number has left.
async fn rows(connection: &Connection, settings: &Settings, split: &BTreeMap<String, u16>) -> Result<Vec<Row>> {
    // Without the management API, only what is in hand is not known.
    let listed = connection.queues(settings).await.ok();
    let look = async |name: String| match &listed {
        Some(queues) => Ok(queues.iter().find(|queue| queue.name == name).cloned()),
        None => connection.queue(&name).await,
    };
    let mut rows = Vec::new();
    for (queue, count) in split {
        if let Some(status) = look(queue.clone()).await? {
            rows.push(Row::new(queue, None, &status, false));
        }
        for number in 0.. {
            match look(partition_name(queue, number)).await? {
                Some(status) => rows.push(Row::new(queue, Some(number), &status, number >= *count)),
                None if number >= *count => break,
                // It is not declared yet.
                None => {}
            }
        }
    }
    Ok(rows)
}

fn show(rows: &[Row], as_json: bool) -> Result {
    if as_json {
        return Ok(output::json(rows)?);
    }
    if rows.is_empty() {
        return Ok(writeln!(
            output::out(),
            "no queue is split: `partitions = n` of a subscriber splits one, and `work` or `topology declare` makes its queues"
        )?);
    }
    let mut table = Table::default();
    table.styled(["queue", "waiting", "in hand", "consumers", ""].map(|name| (name.to_owned(), HEADING)));
    for row in rows {
        let remark = match (row.left_over, row.waiting, row.consumers) {
            (true, 1.., _) => ("left over from a larger number: nobody consumes it", BAD),
            (true, 0, _) => ("left over from a larger number, and empty: delete it", DIM),
            (false, 1.., 0) => ("nobody consumes it: start the app", WARN),
            (false, ..) => ("", Style::new()),
        };
        table.styled([
            (row.name(), KEY),
            (row.waiting.to_string(), Style::new()),
            (row.in_hand.map_or_else(|| "?".to_owned(), |in_hand| in_hand.to_string()), Style::new()),
            (row.consumers.to_string(), Style::new()),
            (remark.0.to_owned(), remark.1),
        ]);
    }
    Ok(write!(output::out(), "{}", table.render(0))?)
}
