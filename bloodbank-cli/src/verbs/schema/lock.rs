//! `bb schema lock`.

use std::{io::Write, path::Path};

use bloodbank_core::Registry;

use super::WAYS_ON;
use crate::{
    error::{CliError, Result},
    output::{
        self,
        style::{BAD, paint},
    },
    schema::{Compatibility, Lock, LockError},
};

pub(super) fn run(file: &Path, mode: Compatibility, force: bool) -> Result {
    let lock = Lock::of(Registry::global());
    let mut changes = match Lock::read(file) {
        Ok(locked) => locked.changes(&lock),
        Err(LockError::Missing(_)) => Vec::new(),
        Err(_) if force => Vec::new(),
        Err(error) => return Err(CliError::failed(format!("{error}; with --force it is written anew"))),
    };
    changes.retain(|change| change.breaks(mode));
    if !changes.is_empty() && !force {
        for change in &changes {
            writeln!(output::out(), "{} {change}", paint(BAD, "breaking"))?;
        }
        return Err(CliError::failed(format!(
            "{} is left as it is: {WAYS_ON}; or insist with --force",
            file.display()
        )));
    }
    lock.write(file).map_err(|error| CliError::failed(format!("{} cannot be written: {error}", file.display())))?;
    Ok(writeln!(output::out(), "{} events locked in {}; keep it in git", lock.events.len(), file.display())?)
}
