//! Errors of databases as errors of Bloodbank.

use bloodbank_core::{Error, ErrorKind};

/// An error of the database: what was wanted failed, and the same call may succeed later.
pub(crate) fn storage(wanted: &str) -> impl FnOnce(sqlx_core::Error) -> Error {
    let message = format!("the database cannot {wanted}");
    move |error| Error::new(ErrorKind::Storage, message).with_source(error)
}
