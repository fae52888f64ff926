//! `bb outbox list`.

use std::{io::Write, time::Duration};

use anstyle::Style;
use bloodbank_sql::outbox::OutboxEntry;
use serde_json::{Value, json};

use crate::{
    database,
    error::Result,
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, KEY},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only the rows that cannot be published, and wait for a person
    #[arg(long)]
    parked: bool,
    /// At most this many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(&self) -> Result {
        let pool = database::open()?;
        let rows = pool.list(self.parked, self.limit).await?;
        if self.json {
            return Ok(output::json(&rows.iter().map(as_json).collect::<Vec<_>>())?);
        }
        let backlog = pool.backlog().await?;
        let mut table = Table::default();
        for row in &rows {
            table.styled([
                (row.id.to_string(), Style::new()),
                (age(row.age), DIM),
                (escape_controls(&row.event_type).into_owned(), KEY),
                (row.event_id.to_string(), Style::new()),
                (if row.is_parked { "parked".to_owned() } else { String::new() }, BAD),
                (escape_controls(row.error.as_deref().unwrap_or_default()).into_owned(), Style::new()),
            ]);
        }
        let mut out = output::out();
        write!(out, "{}", table.render(0))?;
        writeln!(out, "{} waiting, {} parked", backlog.waiting, backlog.parked)?;
        Ok(())
    }
}

pub(super) fn as_json(row: &OutboxEntry) -> Value {
    json!({
        "id": row.id,
        "event_id": row.event_id,
        "event_type": row.event_type,
        "order_key": row.order_key,
        "age_seconds": row.age.as_secs_f64(),
        "attempts": row.attempts,
        "error": row.error,
        "parked": row.is_parked,
    })
}

/// An age in whole seconds, for people.
pub(super) fn age(age: Duration) -> String {
    humantime::format_duration(Duration::from_secs(age.as_secs())).to_string()
}
