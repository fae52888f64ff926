//! `bb dlq show`.

use std::io::Write;

use anstyle::Style;
use bloodbank_core::{
    dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter, Handle},
    message::Headers,
};
use serde_json::Value;

use super::{list, queues::DeadLetterQueues};
use crate::{
    error::{CliError, Result},
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, GOOD, HEADING, KEY, paint},
    },
};

pub(super) async fn run(queues: &DeadLetterQueues, handle: Handle, as_json: bool) -> Result {
    let looked = queues.list(&Filter::handle(handle), DeadLetterDetail::Message).await;
    queues.close().await;
    let looked = looked?;
    let letters: Vec<_> = looked.entries().collect();
    if letters.is_empty() {
        return Err(CliError::failed(format!(
            "there is no dead letter {handle}; {}; `dlq list` shows those there are",
            looked.place()
        )));
    }
    if as_json {
        return Ok(output::json(&letters)?);
    }
    for letter in letters {
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
    fact("came with", &format!("{} through {}", letter.routing_key, exchange_name(&letter.exchange)));
    fact("reason", &format!("{}, {}", letter.reason, list::attempts(letter.attempts)));
    fact("error", letter.error.as_deref().unwrap_or_default());
    fact("published", &time(letter.published));
    fact("first failed", &time(letter.first_failed));
    fact("last failed", &time(letter.last_failed));
    if letter.redriven > 0 {
        fact("redriven", &format!("{} times before", letter.redriven));
    }
    // What is said above already.
    let is_said = |name: &str| ["message_id", "event_type", "timestamp"].contains(&name);
    let properties = letter.properties.iter().flat_map(Value::as_object).flatten();
    for (name, value) in properties.filter(|(name, _)| !is_said(name)) {
        if name == "foreign" {
            for (name, value) in value.as_object().into_iter().flatten() {
                fact(name, &serde_json::to_string(value)?);
            }
        } else {
            fact(name, &serde_json::to_string(value)?);
        }
    }
    for (name, value) in
        letter.headers.iter().flat_map(Headers::iter).filter(|(name, _)| !name.starts_with("bloodbank-"))
    {
        fact(name, &serde_json::to_string(value)?);
    }
    let mut out = output::out();
    writeln!(out, "{} {}\n{}", paint(KEY, escape_controls(&letter.event_type)), letter.handle, facts.render(2))?;
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

/// The name of an exchange; that of the default exchange is empty.
fn exchange_name(exchange: &str) -> &str {
    if exchange.is_empty() { "the default exchange" } else { exchange }
}
