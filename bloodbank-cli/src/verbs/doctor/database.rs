//! The database of the settings: whether it answers, its tables, its outbox.

use std::time::Duration;

use bloodbank_sql::AnyPool;

use super::{Finding, State, finding};
use crate::{database, error::Result};

/// `None` where the settings name no database.
pub(super) async fn probe() -> Option<Finding> {
    let pool = match database::find() {
        Ok(pool) => pool?,
        // A service may have a database of another kind.
        Err(error) => return Some(finding("database", State::Warning, error.to_string())),
    };
    let found = look(&pool).await;
    Some(found.unwrap_or_else(|error| {
        finding("database", State::Broken, format!("{error}; check DATABASE_URL and that the database is up"))
    }))
}

async fn look(pool: &AnyPool) -> Result<Finding> {
    let (dialect, status) = (pool.dialect(), pool.schema_status().await?);
    let Some(version) = status.version else {
        let says = format!("{dialect} answers, and has no tables of Bloodbank; `sql migrate` creates them");
        return Ok(finding("database", State::Warning, says));
    };
    if !status.is_current() {
        let says =
            format!("{dialect} has version {version} of the tables, and needs {}; run `sql migrate`", status.needed);
        return Ok(finding("database", State::Broken, says));
    }
    let backlog = pool.backlog().await?;
    let waiting = match backlog.oldest {
        Some(age) => {
            let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
            format!("{} events wait in the outbox, the oldest for {age}", backlog.waiting)
        }
        None => "nothing waits in the outbox".to_owned(),
    };
    let base = format!("{dialect}, version {version} of the tables; {waiting}");
    Ok(match backlog.parked {
        0 => finding("database", State::Ok, base),
        parked => finding(
            "database",
            State::Warning,
            format!("{base}; {parked} are parked: `outbox list --parked` shows why"),
        ),
    })
}
