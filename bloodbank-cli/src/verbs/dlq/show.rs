//! `bb dlq show`.

use std::io::Write;

use anstyle::Style;
use bloodbank_client::{DeadLetterDetail, DeadLetterEntry};
use bloodbank_core::dead_letter::Filter;
use uuid::Uuid;

use super::{list, queues::DeadLetterQueues};
use crate::{
    error::{CliError, Result},
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, GOOD, HEADING, KEY, paint},
    },
};

pub(super) async fn run(queues: &DeadLetterQueues, id: Uuid, as_json: bool) -> Result {
    let listings = queues.list(&Filter::event(id), DeadLetterDetail::Message).await;
    queues.close().await;
    let letters: Vec<_> = listings?.into_iter().flat_map(|listing| listing.entries).collect();
    if letters.is_empty() {
        return Err(CliError::failed(format!("event {id} is no dead letter; `dlq list` shows the dead letters")));
    }
    if as_json {
        return Ok(output::json(&letters)?);
    }
    for letter in &letters {
        show(letter)?;
    }
    Ok(())
}

fn show(letter: &DeadLetterEntry) -> Result {
    let mut facts = Table::default();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.styled([(name.to_owned(), DIM), (escape_controls(value).into_owned(), Style::new())]);
        }
    };
    let time = |time: Option<chrono::DateTime<chrono::Utc>>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
    fact("given up by", &letter.queue);
    fact("reason", &format!("{}, {}", letter.reason, list::attempts(letter.attempts)));
    fact("error", letter.error.as_deref().unwrap_or_default());
    fact("published", &time(letter.published));
    fact("first failed", &time(letter.first_failed));
    fact("last failed", &time(letter.last_failed));
    if letter.redriven > 0 {
        fact("redriven", &format!("{} times before", letter.redriven));
    }
    for (name, value) in letter.headers.iter().flatten().filter(|(name, _)| !name.starts_with("bloodbank-")) {
        fact(name, &serde_json::to_string(value)?);
    }
    let mut out = output::out();
    let id = letter.event_id.map(|id| id.to_string()).unwrap_or_default();
    writeln!(out, "{} {id}\n{}", paint(KEY, escape_controls(&letter.event_type)), facts.render(2))?;
    match &letter.unreadable_because {
        None => writeln!(out, "{}: this program reads it", paint(GOOD, "readable"))?,
        Some(why) => writeln!(out, "{}: {}", paint(BAD, "unreadable"), escape_controls(why))?,
    }
    writeln!(
        out,
        "\n{}\n{}",
        paint(HEADING, "message"),
        output::highlighted(&letter.message.clone().unwrap_or_default())?
    )?;
    Ok(())
}
