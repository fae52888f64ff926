//! A database that is known only at run time, from its address.

use std::{fmt, sync::Arc, time::Duration};

use bloodbank_core::{
    Bus, Error, ErrorKind, Result,
    app::{AppTask, StartedTask},
    publish::Prepared,
    store::{ClaimStore, DatabaseProvider, DatabaseStores, Journal, LeaseStore, LinkStore, ParkedKeys},
};
use futures_util::future::BoxFuture;
use sqlx_core::pool::{Pool, PoolOptions};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "postgres")]
use crate::journal::{JournalTableStatus, JournalWriter, PostgresJournal};
use crate::{
    SqlClaims, SqlLeases, SqlLinks, SqlParkedKeys,
    database::{Database, Dialect},
    outbox::{Backlog, OutboxEntry, OutboxTable, Relay},
    schema::{Schema, SchemaStatus},
};

/// A database that is known only at run time, from its address: what programs use that read `DATABASE_URL`. A service
/// that knows its database uses `Pool`.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyPool {
    /// PostgreSQL: `postgres://user:password@host:port/database`.
    #[cfg(feature = "postgres")]
    Postgres(Pool<sqlx_postgres::Postgres>),
    /// SQLite: `sqlite://path/to/file.db`.
    #[cfg(feature = "sqlite")]
    Sqlite(Pool<sqlx_sqlite::Sqlite>),
}

macro_rules! each {
    ($any:expr, $pool:ident => $body:expr) => {
        match $any {
            #[cfg(feature = "postgres")]
            AnyPool::Postgres($pool) => $body,
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite($pool) => $body,
        }
    };
}

impl AnyPool {
    /// Creates a pool for this address; it connects when it is used.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the address is that of no database, or of one that is not built in. The error does not
    /// show the address, which may hold a password.
    pub fn new(url: &str) -> Result<Self> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                check_tls(url)?;
                open(url).map(Self::Postgres)
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => open(url).map(Self::Sqlite),
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(not_built_in("postgres")),
            #[cfg(not(feature = "sqlite"))]
            "sqlite" => Err(not_built_in("sqlite")),
            _ => Err(bad_address()),
        }
    }

    /// The dialect of the database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        fn of<DB: Database>(_: &Pool<DB>) -> Dialect {
            DB::DIALECT
        }
        each!(self, pool => of(pool))
    }

    /// Like [`Schema::status`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn schema_status(&self) -> Result<SchemaStatus> {
        each!(self, pool => Schema::status(pool).await)
    }

    /// Like [`Schema::check`].
    ///
    /// # Errors
    /// Like those of [`Schema::check`].
    pub async fn check_schema(&self) -> Result<()> {
        each!(self, pool => Schema::check(pool).await)
    }

    /// Like [`Schema::migrate`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn migrate(&self) -> Result<Vec<i64>> {
        each!(self, pool => Schema::migrate(pool).await)
    }

    /// Like [`OutboxTable::list`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn list(&self, parked: bool, most: u32) -> Result<Vec<OutboxEntry>> {
        each!(self, pool => OutboxTable::new(pool.clone()).list(parked, most).await)
    }

    /// Like [`OutboxTable::show`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn show(&self, id: i64) -> Result<(OutboxEntry, Result<Prepared, String>)> {
        each!(self, pool => OutboxTable::new(pool.clone()).show(id).await)
    }

    /// Like [`OutboxTable::backlog`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn backlog(&self) -> Result<Backlog> {
        each!(self, pool => OutboxTable::new(pool.clone()).backlog().await)
    }

    /// Like [`OutboxTable::retry`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn retry(&self, ids: &[i64]) -> Result<u64> {
        each!(self, pool => OutboxTable::new(pool.clone()).retry(ids).await)
    }

    /// Like [`OutboxTable::discard`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn discard(&self, ids: &[i64]) -> Result<u64> {
        each!(self, pool => OutboxTable::new(pool.clone()).discard(ids).await)
    }

    /// The writer of the journal in this database.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] where the database is not PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn journal_writer(&self) -> Result<JournalWriter> {
        Ok(JournalWriter::new(self.postgres()?.clone()))
    }

    /// Like [`JournalTableStatus::read`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`], and [`ErrorKind::Settings`] where the database is not PostgreSQL.
    #[cfg(feature = "postgres")]
    pub async fn journal_status(&self) -> Result<JournalTableStatus> {
        JournalTableStatus::read(self.postgres()?).await
    }

    #[cfg(feature = "postgres")]
    fn postgres(&self) -> Result<&Pool<sqlx_postgres::Postgres>> {
        match self {
            Self::Postgres(pool) => Ok(pool),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Err(Error::new(
                ErrorKind::Settings,
                "the journal is kept in PostgreSQL, and DATABASE_URL names SQLite; set it to \
                 `postgres://user:password@host:port/database`",
            )),
        }
    }

    /// Like [`Relay::run`].
    ///
    /// # Errors
    /// Like those of [`Relay::run`].
    pub async fn relay(&self, bus: Bus, stop: CancellationToken) -> Result<()> {
        each!(self, pool => Relay::new(pool.clone()).run(bus, stop).await)
    }

    /// Like [`Relay::run_once`].
    ///
    /// # Errors
    /// Like those of [`Relay::run`].
    pub async fn relay_once(&self, bus: &Bus) -> Result<usize> {
        each!(self, pool => Relay::new(pool.clone()).run_once(bus).await)
    }
}

fn open<DB: Database>(url: &str) -> Result<Pool<DB>> {
    // A database that is away is said soon, and not after the half minute of the default.
    let options = PoolOptions::<DB>::new().acquire_timeout(Duration::from_secs(5));
    // The error of the driver may repeat the address.
    options.connect_lazy(url).map_err(|_| bad_address())
}

#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
fn not_built_in(feature: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!(
            "DATABASE_URL names a database that is not built into this program; build it with the feature `sql-{feature}`"
        ),
    )
}

/// Otherwise each connection fails, with the driver's words for it.
#[cfg(feature = "postgres")]
fn check_tls(url: &str) -> Result<()> {
    use sqlx_postgres::{PgConnectOptions, PgSslMode};
    let options: PgConnectOptions = url.parse().map_err(|_| bad_address())?;
    let is_wanted = matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    if is_wanted && !cfg!(feature = "tls") {
        return Err(Error::new(
            ErrorKind::Settings,
            "DATABASE_URL asks for TLS, which is not built into this program; build it with the feature `tls`",
        ));
    }
    Ok(())
}

fn bad_address() -> Error {
    Error::new(
        ErrorKind::Settings,
        "DATABASE_URL (not shown) is no address of a database; it must be `postgres://user:password@host:port/database` or \
         `sqlite://path/to/file.db`",
    )
}

impl fmt::Debug for AnyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyPool({})", self.dialect())
    }
}

/// The relay of the outbox in this database, for [`App::task`](bloodbank_core::App::task).
impl AppTask for AnyPool {
    fn name(&self) -> &'static str {
        "outbox relay"
    }

    fn start(self: Box<Self>, bus: Bus, stop: CancellationToken) -> BoxFuture<'static, Result<StartedTask>> {
        each!(*self, pool => Box::new(Relay::new(pool)).start(bus, stop))
    }
}

impl DatabaseStores for AnyPool {
    fn links(&self, ttl: Duration) -> Arc<dyn LinkStore> {
        each!(self, pool => Arc::new(SqlLinks::new(pool.clone(), ttl)))
    }

    fn leases(&self) -> Arc<dyn LeaseStore> {
        each!(self, pool => Arc::new(SqlLeases::new(pool.clone())))
    }

    fn parked_keys(&self) -> Arc<dyn ParkedKeys> {
        each!(self, pool => Arc::new(SqlParkedKeys::new(pool.clone())))
    }

    fn claims(&self) -> Arc<dyn ClaimStore> {
        each!(self, pool => Arc::new(SqlClaims::new(pool.clone())))
    }

    fn journal(&self, closing: CancellationToken) -> Option<Arc<dyn Journal>> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => Some(Arc::new(PostgresJournal::new(pool.clone()).closed_by(closing))),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => None,
        }
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.check_schema())
    }
}

inventory::submit! {
    DatabaseProvider { open: |url| Ok(Arc::new(AnyPool::new(url)?)) }
}
