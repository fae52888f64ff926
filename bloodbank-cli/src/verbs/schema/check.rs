//! `bb schema check`.

use std::{io::Write, path::Path};

use bloodbank_core::Registry;

use super::WAYS_ON;
use crate::{
    error::{CliError, Result},
    output::{
        self,
        style::{BAD, GOOD, paint},
    },
    schema::{Compatibility, Lock},
};

pub(super) fn run(file: &Path, mode: Compatibility, as_json: bool) -> Result {
    let locked = Lock::read(file).map_err(|error| CliError::usage(error.to_string()))?;
    let now = Lock::of(Registry::global());
    let mut changes = locked.changes(&now);
    changes.retain(|change| change.breaks(mode));
    if as_json {
        output::json(&changes)?;
    } else {
        let mut out = output::out();
        for change in &changes {
            writeln!(out, "{} {change}", paint(BAD, "breaking"))?;
        }
        if changes.is_empty() {
            writeln!(
                out,
                "{}: {} events are {mode} compatible with {}",
                paint(GOOD, "ok"),
                locked.events.len(),
                file.display()
            )?;
        }
        if !changes.is_empty() {
            output::note(&format!("{WAYS_ON}; when nobody uses the old one any more: `schema lock --force`"));
        }
        let missing = locked.missing(&now);
        if !missing.is_empty() {
            output::note(&format!("not locked yet: {}; `schema lock` adds them", missing.join(", ")));
        }
    }
    if changes.is_empty() { Ok(()) } else { Err(CliError::check_failed()) }
}
