//! `bb queues`.

use std::io::Write;

use anstyle::Style;
use bloodbank_client::{ClientError, Connection, QueueEntry};
use bloodbank_core::{Settings, transport::QueueStatus};
use chrono::Utc;

use crate::{
    args::Via,
    connect::{self, LASTING_BUS},
    error::{CliError, Result},
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, HEADING, KEY, WARN, paint},
    },
    runtime,
};

/// Show the queues of the whole system: what waits, for how long, who takes it, what was given up
///
/// On RabbitMQ the management API lists the queues; without it, name those that are to be looked at. Delays between attempts
/// and queues for answers are summed up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb queues
  bb queues shipping.ship billing.charge
  bb queues --json")]
pub(crate) struct Queues {
    /// Only these queues
    #[arg(value_name = "QUEUE")]
    names: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Queues {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            let connection = connect::open_lasting(Via::Auto).await?.ok_or_else(|| {
                CliError::usage(format!("a bus in memory has no queues when a command begins; {LASTING_BUS}"))
            })?;
            let found = self.look(&connection, &settings).await;
            connection.close().await;
            let rows = QueueEntry::of(found?, Utc::now());
            if self.json {
                return Ok(output::json(&rows)?);
            }
            print(rows)
        })
    }

    async fn look(&self, connection: &Connection, settings: &Settings) -> Result<Vec<QueueStatus>> {
        if self.names.is_empty() {
            return connection.queues(settings).await.map_err(|error| match error {
                ClientError::NoManagement { .. } => CliError::failed(format!("{error}, or name the queues")),
                other => other.into(),
            });
        }
        let mut found = Vec::new();
        for name in &self.names {
            let name = name.strip_suffix(DEAD).unwrap_or(name);
            let queue = connection.queue(name).await?;
            let dead = connection.queue(&format!("{name}{DEAD}")).await?;
            if queue.is_none() && dead.is_none() {
                return Err(CliError::failed(format!(
                    "there is no queue `{name}`; correct its name, or start what declares it"
                )));
            }
            found.extend(queue.into_iter().chain(dead));
        }
        Ok(found)
    }
}

/// What the name of a dead-letter queue ends with.
const DEAD: &str = ".dlq";

fn print(rows: Vec<QueueEntry>) -> Result {
    let mut out = output::out();
    let (of_all, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(QueueEntry::is_of_all);
    let mut table = Table::default();
    table.styled(
        ["queue", "waiting", "in hand", "consumers", "oldest", "in/s", "done/s", "dead letters"]
            .map(|name| (name.to_owned(), HEADING)),
    );
    for row in &rows {
        let QueueEntry { status, dead_letters, .. } = row;
        let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.1}"));
        let alone = status.consumers == 0 && !row.is_dead_letter_queue();
        table.styled([
            (escape_controls(&status.name).into_owned(), KEY),
            (status.waiting.to_string(), if alone && status.waiting > 0 { WARN } else { Style::new() }),
            (number(status.unsettled), Style::new()),
            (status.consumers.to_string(), if alone { BAD } else { Style::new() }),
            (row.age(), DIM),
            (rate(status.arrivals), DIM),
            (rate(status.acknowledgements), DIM),
            (
                dead_letters.map_or_else(String::new, |count| count.to_string()),
                if dead_letters.is_some_and(|count| count > 0) { BAD } else { Style::new() },
            ),
        ]);
    }
    if rows.is_empty() {
        writeln!(out, "the bus has no queues yet; `work` or `topology declare` makes those of an app")?;
    } else {
        write!(out, "{}", table.render(0))?;
    }
    let sum = |name: &str| {
        of_all.iter().filter(|row| row.status.name.starts_with(name)).map(|row| row.status.waiting).sum::<u64>()
    };
    if !of_all.is_empty() {
        writeln!(out, "{} wait for their next attempt", paint(HEADING, sum("bloodbank.retry.")))?;
    }
    Ok(())
}
