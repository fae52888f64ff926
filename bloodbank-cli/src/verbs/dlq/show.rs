//! `bb dlq show`.

use std::io::Write;

use anstyle::Style;
use bloodbank_gateway::DeadLetterView;
use uuid::Uuid;

use super::{list, places::Places, select::Select};
use crate::{
    fault::{Done, Fault},
    output::{
        self, Table, printable,
        style::{BAD, DIM, GOOD, HEADING, KEY, paint},
    },
};

pub(super) async fn run(places: &Places, id: Uuid, as_json: bool) -> Done {
    let found = places.letters(&Select::event(id), true).await;
    places.close().await;
    let letters: Vec<_> = found?.into_iter().flat_map(|parked| parked.letters).collect();
    if letters.is_empty() {
        return Err(Fault::failed(format!("no dead letter of event {id}; `dlq list` shows those there are")));
    }
    if as_json {
        output::json(&letters)?;
        return Ok(());
    }
    for letter in &letters {
        show(letter)?;
    }
    Ok(())
}

fn show(letter: &DeadLetterView) -> Done {
    let mut facts = Table::default();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.styled([(name.to_owned(), DIM), (printable(value).into_owned(), Style::new())]);
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
        fact("brought back", &format!("{} times before", letter.redriven));
    }
    for (name, value) in letter.headers.iter().flatten().filter(|(name, _)| !name.starts_with("bloodbank-")) {
        fact(name, &serde_json::to_string(value)?);
    }
    let mut out = output::out();
    let id = letter.event_id.map(|id| id.to_string()).unwrap_or_default();
    writeln!(out, "{} {id}\n{}", paint(KEY, printable(&letter.event_type)), facts.render(2))?;
    match &letter.unreadable_because {
        None => writeln!(out, "{}: this program reads it", paint(GOOD, "readable"))?,
        Some(why) => writeln!(out, "{}: {}", paint(BAD, "unreadable"), printable(why))?,
    }
    writeln!(
        out,
        "\n{}\n{}",
        paint(HEADING, "message"),
        output::highlighted(&letter.message.clone().unwrap_or_default())?
    )?;
    Ok(())
}
