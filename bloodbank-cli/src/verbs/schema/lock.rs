//! `bb schema lock`.

use std::{io::Write, path::Path};

use bloodbank_core::Registry;

use crate::{
    error::{CliError, Result},
    output,
    schema::Lock,
};

pub(super) fn run(file: &Path) -> Result {
    let lock = Lock::of(Registry::global());
    lock.write(file).map_err(|error| CliError::failed(format!("{} cannot be written: {error}", file.display())))?;
    Ok(writeln!(output::out(), "{} events locked in {}; keep it in git", lock.events.len(), file.display())?)
}
