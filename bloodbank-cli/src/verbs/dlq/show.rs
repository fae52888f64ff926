//! `bb dlq show`.

use std::io::Write;

use anstyle::Style;
use bloodbank_core::dead_letter::{DeadLetter, Filter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{list, select::Places};
use crate::{
    fault::{Done, Fault},
    output::{
        self, Table, printable,
        style::{BAD, DIM, GOOD, HEADING, KEY, paint},
    },
};

pub(super) async fn run(places: &Places, id: Uuid, as_json: bool) -> Done {
    let found = places.letters(&Filter::event(id)).await;
    places.close().await;
    let letters: Vec<_> = found?.into_iter().flat_map(|(_, letters)| letters).collect();
    if letters.is_empty() {
        return Err(Fault::failed(format!("no dead letter of event {id}; `dlq list` shows those there are")));
    }
    if as_json {
        let letters: Vec<_> = letters.iter().map(whole).collect();
        output::json(&letters)?;
        return Ok(());
    }
    for letter in &letters {
        show(letter)?;
    }
    Ok(())
}

fn show(letter: &DeadLetter) -> Done {
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
    for (name, value) in letter.message.properties.headers.iter().filter(|(name, _)| !name.starts_with("bloodbank-")) {
        fact(name, &serde_json::to_string(value)?);
    }
    let mut out = output::out();
    let id = letter.event_id.map(|id| id.to_string()).unwrap_or_default();
    writeln!(out, "{} {id}\n{}", paint(KEY, printable(&letter.event_type)), facts.render(2))?;
    match letter.decode() {
        Ok(_) => writeln!(out, "{}: this program reads it", paint(GOOD, "readable"))?,
        Err(error) => writeln!(out, "{}: {}", paint(BAD, "unreadable"), printable(&error.to_string()))?,
    }
    writeln!(out, "\n{}\n{}", paint(HEADING, "message"), output::highlighted(&body(letter))?)?;
    Ok(())
}

fn whole(letter: &DeadLetter) -> Value {
    let mut value = list::summary(letter);
    value["headers"] =
        json!(letter.message.properties.headers.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>());
    value["message"] = body(letter);
    value
}

/// The envelope; text where it is no JSON.
fn body(letter: &DeadLetter) -> Value {
    serde_json::from_slice(&letter.message.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&letter.message.body).into_owned()))
}
