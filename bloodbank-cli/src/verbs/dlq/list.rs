//! `bb dlq list`.

use std::io::Write;

use anstyle::Style;
use bloodbank_core::dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter};

use super::queues::DeadLetterQueues;
use crate::{
    error::Result,
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, HEADING, KEY, paint},
    },
};

pub(super) async fn run(queues: &DeadLetterQueues, filter: &Filter, as_json: bool) -> Result {
    let looked = queues.list(filter, DeadLetterDetail::Summary).await;
    let elsewhere = queues.elsewhere().await;
    queues.close().await;
    let looked = looked?;
    if let Some(elsewhere) = elsewhere {
        output::note(&elsewhere);
    }
    if as_json {
        output::note(&looked.place());
        return Ok(output::json(&looked.entries().collect::<Vec<_>>())?);
    }
    let mut out = output::out();
    for listing in looked.listings.iter().filter(|listing| !listing.entries.is_empty()) {
        let mut table = Table::default();
        for entry in &listing.entries {
            table.styled([
                (time(entry), DIM),
                (escape_controls(&entry.event_type).into_owned(), KEY),
                (entry.handle.to_string(), Style::new()),
                (format!("{}, {}", escape_controls(&entry.reason), attempts(entry.attempts)), BAD),
                (escape_controls(entry.error.as_deref().unwrap_or_default()).into_owned(), Style::new()),
            ]);
        }
        let (name, count) = (listing.dead_letter_queue(), listing.entries.len());
        writeln!(out, "{}  {count}\n{}", paint(HEADING, name), table.render(2).trim_end())?;
    }
    if looked.entries().next().is_none() {
        writeln!(out, "no dead letters: {}", looked.place())?;
    }
    Ok(())
}

fn time(entry: &DeadLetterEntry) -> String {
    let time = entry.last_failed.or(entry.published);
    time.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

pub(super) fn attempts(attempts: u32) -> String {
    format!("{attempts} attempt{}", if attempts == 1 { "" } else { "s" })
}
