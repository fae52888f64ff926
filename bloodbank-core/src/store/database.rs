//! Stores in a database, from a crate that is linked into the program.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::{ClaimStore, Journal, LeaseStore, LinkStore, ParkedKeys};
use crate::{
    error::{Error, ErrorKind, Result},
    settings::Settings,
};

/// A database that keeps links, leases, claims and a journal.
pub trait DatabaseStores: Send + Sync + 'static {
    /// A store of causation links with this time to live.
    fn links(&self, ttl: Duration) -> Arc<dyn LinkStore>;

    /// A store of leases and of handled events.
    fn leases(&self) -> Arc<dyn LeaseStore>;

    /// A store of keys with parked events.
    fn parked_keys(&self) -> Arc<dyn ParkedKeys>;

    /// A store of large payloads.
    fn claims(&self) -> Arc<dyn ClaimStore>;

    /// The journal in the database, which ends when this token is cancelled; `None`: this database keeps none.
    fn journal(&self, closing: CancellationToken) -> Option<Arc<dyn Journal>>;

    /// Checks that the database has the tables.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] with the remedy when tables are missing or old; [`ErrorKind::Storage`] when the database does
    /// not answer.
    fn check(&self) -> BoxFuture<'_, Result<()>>;
}

/// The provider of databases that is linked into this program. The crate `bloodbank-sql` submits it with
/// `inventory::submit!`, so that `DATABASE_URL` alone chooses the database.
pub struct DatabaseProvider {
    /// Opens the database at an address; it connects when it is used.
    pub open: fn(url: &str) -> Result<Arc<dyn DatabaseStores>>,
}

inventory::collect!(DatabaseProvider);

impl DatabaseProvider {
    /// Opens the database of the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when `DATABASE_URL` is not set, is no address, or names a database that is not built in.
    pub fn database(settings: &Settings) -> Result<Arc<dyn DatabaseStores>> {
        let url = settings.database_url.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Settings,
                "a store in a database is asked for, and DATABASE_URL is not set; set it to \
                 `postgres://user:password@host:port/database` or `sqlite://path/to/file.db`",
            )
        })?;
        let provider = inventory::iter::<Self>.into_iter().next().ok_or_else(|| {
            Error::new(
                ErrorKind::Settings,
                "a store in a database is asked for, but this program was built without the feature `sql-postgres` or \
                 `sql-sqlite` of `bloodbank`; add it",
            )
        })?;
        (provider.open)(url.expose_secret())
    }
}

impl fmt::Debug for DatabaseProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseProvider").finish_non_exhaustive()
    }
}
