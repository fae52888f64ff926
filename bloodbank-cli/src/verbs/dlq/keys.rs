//! `bb dlq keys`.

use std::io::Write;

use anstyle::Style;
use bloodbank_client::Connection;
use bloodbank_core::{Bus, DeadLetters, store::ParkedKey};
use serde::Serialize;

use super::{args::QueueArgs, queues::DeadLetterQueues};
use crate::{
    app::AppFactories,
    args::Via,
    error::{CliError, Result},
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, GOOD, HEADING, KEY, paint},
    },
};

/// The arguments of `keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    #[command(flatten)]
    queues: QueueArgs,
    /// Handle what comes of this key again, whatever is parked: for a key whose dead letters have expired or were purged
    #[arg(long, value_name = "KEY")]
    release: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A key with the queue of its subscriber.
#[derive(Serialize)]
struct Row {
    queue: String,
    #[serde(flatten)]
    key: ParkedKey,
}

impl Keys {
    pub(super) async fn run(self, apps: AppFactories) -> Result {
        // A gateway has no endpoint for it, and is not needed: the service that has the file open lets others in.
        let queues = DeadLetterQueues::open(&self.queues, apps, true, Via::Bus).await?;
        let done = match &queues.connection {
            Connection::Bus(bus) => self.work(bus, queues.names()).await,
            Connection::Gateway(gateway) => Err(CliError::failed(format!(
                "the gateway at {} does not tell parked keys; ask the bus",
                gateway.url()
            ))),
        };
        queues.close().await;
        done
    }

    async fn work(&self, bus: &Bus, queues: &[String]) -> Result {
        let mut rows = Vec::new();
        for queue in queues {
            let keys = DeadLetters::of(bus, queue.as_str()).keys().await?;
            rows.extend(keys.into_iter().map(|key| Row { queue: queue.clone(), key }));
        }
        match &self.release {
            Some(key) => self.release(bus, queues, &rows, key).await,
            None => self.show(queues, &rows),
        }
    }

    async fn release(&self, bus: &Bus, queues: &[String], rows: &[Row], key: &str) -> Result {
        let mut found = rows.iter().filter(|row| row.key.key == key);
        let row = match (found.next(), found.next()) {
            (Some(row), None) => row,
            (Some(one), Some(other)) => {
                let (one, other) = (&one.queue, &other.queue);
                return Err(CliError::usage(format!(
                    "`{key}` is parked in `{one}`, in `{other}` and perhaps in more; say which one is meant with --queue"
                )));
            }
            (None, _) => {
                let places = queues.join(", ");
                return Err(CliError::failed(format!(
                    "no key `{key}` is parked in the queues that were looked at: {places}; `dlq keys` lists those that are"
                )));
            }
        };
        let events = DeadLetters::of(bus, row.queue.as_str()).release(key).await?;
        if self.json {
            return Ok(output::json(&serde_json::json!({ "queue": row.queue, "key": key, "events": events }))?);
        }
        let (released, key) = (paint(GOOD, "released"), escape_controls(key));
        let of = if events == 1 { "1 event".to_owned() } else { format!("{events} events") };
        Ok(writeln!(output::out(), "{released} {key} in {}, of which {of} had a place", row.queue)?)
    }

    fn show(&self, queues: &[String], rows: &[Row]) -> Result {
        if self.json {
            return Ok(output::json(rows)?);
        }
        let mut out = output::out();
        for rows in rows.chunk_by(|one, other| one.queue == other.queue) {
            let mut table = Table::default();
            for Row { key, .. } in rows {
                table.styled([
                    (escape_controls(&key.key).into_owned(), KEY),
                    (format!("{} parked", key.events), BAD),
                    (key.since.format("since %Y-%m-%d %H:%M:%S").to_string(), DIM),
                    (format!("first {}", key.first), Style::new()),
                ]);
            }
            let name = paint(HEADING, &rows[0].queue);
            writeln!(out, "{name}  {}\n{}", rows.len(), table.render(2).trim_end())?;
        }
        if rows.is_empty() {
            let places = if queues.is_empty() { "there is no dead-letter queue".to_owned() } else { queues.join(", ") };
            writeln!(out, "no parked keys: {places}")?;
        }
        Ok(())
    }
}
