//! `bb dlq list`.

use std::io::Write;

use anstyle::Style;
use bloodbank_gateway::DeadLetterView;

use super::{places::Places, select::Select};
use crate::{
    fault::Done,
    output::{
        self, Table, printable,
        style::{BAD, DIM, HEADING, KEY, paint},
    },
};

pub(super) async fn run(places: &Places, select: &Select, as_json: bool) -> Done {
    let found = places.letters(select, false).await;
    places.close().await;
    let found = found?;
    if as_json {
        let letters: Vec<_> = found.iter().flat_map(|parked| &parked.letters).collect();
        output::json(&letters)?;
        return Ok(());
    }
    let mut out = output::out();
    for parked in found.iter().filter(|parked| !parked.letters.is_empty()) {
        let mut table = Table::default();
        for letter in &parked.letters {
            table.styled([
                (time(letter), DIM),
                (printable(&letter.event_type).into_owned(), KEY),
                (letter.event_id.map_or_else(|| "no id".to_owned(), |id| id.to_string()), Style::new()),
                (format!("{}, {}", printable(&letter.reason), attempts(letter.attempts)), BAD),
                (printable(letter.error.as_deref().unwrap_or_default()).into_owned(), Style::new()),
            ]);
        }
        writeln!(out, "{}  {}\n{}", paint(HEADING, parked.name()), parked.letters.len(), table.render(2).trim_end())?;
    }
    if found.iter().all(|parked| parked.letters.is_empty()) {
        writeln!(out, "no dead letters")?;
    }
    Ok(())
}

fn time(letter: &DeadLetterView) -> String {
    let time = letter.last_failed.or(letter.published);
    time.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

pub(super) fn attempts(attempts: u32) -> String {
    format!("{attempts} attempt{}", if attempts == 1 { "" } else { "s" })
}
