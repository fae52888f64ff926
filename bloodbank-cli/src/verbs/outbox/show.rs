//! `bb outbox show`.

use std::io::Write;

use serde_json::{Value, json};

use super::list::{age, as_json};
use crate::{
    database,
    error::Result,
    output::{
        self, escape_controls,
        style::{BAD, DIM, KEY, paint},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The number of the row
    row: i64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(&self) -> Result {
        let (row, prepared) = database::open()?.show(self.row).await?;
        let message = match &prepared {
            Ok(prepared) => serde_json::to_value(prepared)?,
            Err(_) => Value::Null,
        };
        if self.json {
            let mut shown = as_json(&row);
            shown["message"] = message;
            return Ok(output::json(&shown)?);
        }
        let mut out = output::out();
        writeln!(out, "{} {}", paint(KEY, escape_controls(&row.event_type)), row.event_id)?;
        writeln!(out, "{}", paint(DIM, format!("row {}, written {} ago", row.id, age(row.age))))?;
        if let Some(error) = &row.error {
            let state = if row.is_parked { "parked" } else { "waits" };
            writeln!(out, "{}: {}", paint(BAD, state), escape_controls(error))?;
        }
        match prepared {
            Ok(_) => writeln!(out, "{}", output::highlighted(&json!(message))?)?,
            Err(error) => writeln!(out, "{}: {}", paint(BAD, "unreadable"), escape_controls(&error))?,
        }
        Ok(())
    }
}
