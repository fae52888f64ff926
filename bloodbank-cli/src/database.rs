//! The database of the settings.

use bloodbank_core::settings::Reader;
use bloodbank_sql::AnyPool;

use crate::error::{CliError, Result};

/// The database that `DATABASE_URL` names.
pub(crate) fn open() -> Result<AnyPool> {
    match find()? {
        Some(pool) => Ok(pool),
        None => Err(CliError::usage(
            "DATABASE_URL is not set; set it to `postgres://user:password@host:port/database` or `sqlite://path/to/file.db`",
        )),
    }
}

/// The database that `DATABASE_URL` names, where it names one.
pub(crate) fn find() -> Result<Option<AnyPool>> {
    let mut reader = Reader::load()?;
    let url = reader.get("DATABASE_URL", |url| Ok(url.to_owned()));
    reader.finish()?;
    Ok(url.map(|url| AnyPool::new(&url)).transpose()?)
}
