//! `bb dlq list`.

use std::io::Write;

use anstyle::Style;
use bloodbank_core::dead_letter::DeadLetter;
use serde_json::{Value, json};

use super::select::{Places, Select};
use crate::{
    fault::Done,
    output::{
        self, Table, printable,
        style::{BAD, DIM, HEADING, KEY, paint},
    },
};

pub(super) async fn run(places: &Places, select: &Select, as_json: bool) -> Done {
    let found = places.letters(&select.filter()?).await;
    places.close().await;
    let found = found?;
    if as_json {
        let letters: Vec<_> = found.iter().flat_map(|(_, letters)| letters.iter().map(summary)).collect();
        output::json(&letters)?;
        return Ok(());
    }
    let mut out = output::out();
    for (queue, letters) in found.iter().filter(|(_, letters)| !letters.is_empty()) {
        let mut table = Table::default();
        for letter in letters {
            table.styled([
                (time(letter), DIM),
                (printable(&letter.event_type).into_owned(), KEY),
                (letter.event_id.map_or_else(|| "no id".to_owned(), |id| id.to_string()), Style::new()),
                (format!("{}, {}", printable(&letter.reason), attempts(letter.attempts)), BAD),
                (printable(letter.error.as_deref().unwrap_or_default()).into_owned(), Style::new()),
            ]);
        }
        writeln!(out, "{}  {}\n{}", paint(HEADING, queue.parked()), letters.len(), table.render(2).trim_end())?;
    }
    if found.iter().all(|(_, letters)| letters.is_empty()) {
        writeln!(out, "no dead letters")?;
    }
    Ok(())
}

fn time(letter: &DeadLetter) -> String {
    let time = letter.last_failed.or(letter.published);
    time.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

pub(super) fn attempts(attempts: u32) -> String {
    format!("{attempts} attempt{}", if attempts == 1 { "" } else { "s" })
}

/// What is known about a letter, without its body.
pub(super) fn summary(letter: &DeadLetter) -> Value {
    let readable = letter.decode();
    json!({
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "queue": &*letter.queue,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "first_failed": letter.first_failed,
        "last_failed": letter.last_failed,
        "published": letter.published,
        "redriven": letter.redriven,
        "readable": readable.is_ok(),
        "unreadable_because": readable.err().map(|error| error.to_string()),
    })
}
