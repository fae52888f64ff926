//! The tables of Bloodbank in a database: embedded migrations, and whether they were applied.

use bloodbank_core::{Error, ErrorKind, Result};
use sqlx_core::{pool::Pool, sql_str::AssertSqlSafe};

use crate::{
    database::{Database, Dialect, Value},
    error::storage,
};

/// The tables of Bloodbank in a database, `bloodbank_…`, with embedded migrations.
///
/// `bb sql migrate` applies the migrations, `bb sql schema` prints them for those who apply them by other means.
#[derive(Debug, Clone, Copy)]
pub struct Schema;

/// A version of the schema, with its script in each dialect.
struct Migration {
    version: i64,
    postgres: &'static str,
    sqlite: &'static str,
}

const MIGRATIONS: [Migration; 4] = [
    Migration { version: 1, postgres: include_str!("postgres_1.sql"), sqlite: include_str!("sqlite_1.sql") },
    Migration { version: 2, postgres: include_str!("postgres_2.sql"), sqlite: include_str!("sqlite_2.sql") },
    Migration { version: 3, postgres: include_str!("postgres_3.sql"), sqlite: include_str!("sqlite_3.sql") },
    Migration { version: 4, postgres: include_str!("postgres_4.sql"), sqlite: include_str!("sqlite_4.sql") },
];

impl Migration {
    fn script(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

/// The state of the schema in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaStatus {
    /// The version in the database; `None` where there are no tables.
    pub version: Option<i64>,
    /// The version that this program needs.
    pub needed: i64,
}

impl SchemaStatus {
    /// Whether the database has the version that this program needs, or a later one.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.version.is_some_and(|version| version >= self.needed)
    }
}

impl Schema {
    /// The version of the schema that this program needs.
    #[must_use]
    pub fn version() -> i64 {
        MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
    }

    /// The whole schema as a script, for those who apply it by other means.
    #[must_use]
    pub fn script(dialect: Dialect) -> String {
        let mut script = format!("{}\n", versions_table(dialect));
        for migration in &MIGRATIONS {
            script.push_str(&format!(
                "\n{}INSERT INTO bloodbank_schema (version) VALUES ({});\n",
                migration.script(dialect),
                migration.version
            ));
        }
        script
    }

    /// Reads which version of the schema a database has.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the database does not answer.
    pub async fn status<DB: Database>(pool: &Pool<DB>) -> Result<SchemaStatus> {
        let wanted = "be asked for its schema";
        let mut connection = pool.acquire().await.map_err(storage(wanted))?;
        let version = read_version::<DB>(&mut connection).await.map_err(storage(wanted))?;
        Ok(SchemaStatus { version, needed: Self::version() })
    }

    /// Checks that a database has the tables that this program needs.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the database does not answer; [`ErrorKind::Settings`] with the remedy when tables are
    /// missing or old.
    pub async fn check<DB: Database>(pool: &Pool<DB>) -> Result<()> {
        let status = Self::status(pool).await?;
        let has = match status.version {
            Some(version) if version >= status.needed => return Ok(()),
            Some(version) => format!("has version {version} of the tables of Bloodbank"),
            None => "has no tables of Bloodbank".to_owned(),
        };
        Err(Error::new(
            ErrorKind::Settings,
            format!(
                "the {} database {has}, and this program needs version {}; run `bb sql migrate`, or call `Schema::migrate`",
                DB::DIALECT,
                status.needed
            ),
        ))
    }

    /// Applies what is missing, in one transaction; returns the versions that were applied. Programs that migrate at the
    /// same time wait for each other.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] with the error of the database.
    pub async fn migrate<DB: Database>(pool: &Pool<DB>) -> Result<Vec<i64>> {
        let applied = apply(pool).await;
        applied.map_err(storage("create the tables of Bloodbank; `bb sql schema` prints them for whoever may"))
    }
}

async fn apply<DB: Database>(pool: &Pool<DB>) -> Result<Vec<i64>, sqlx_core::Error> {
    let mut transaction = pool.begin_with(AssertSqlSafe(DB::DIALECT.begin().to_owned())).await?;
    if DB::DIALECT == Dialect::Postgres {
        // Any number that nobody else takes; released with the transaction.
        DB::fetch(&mut transaction, "SELECT pg_advisory_xact_lock(7290511001)::text", Vec::new()).await?;
    }
    let present = read_version::<DB>(&mut transaction).await?;
    if present.is_none() {
        DB::script(&mut transaction, versions_table(DB::DIALECT)).await?;
    }
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > present.unwrap_or_default()) {
        DB::script(&mut transaction, migration.script(DB::DIALECT)).await?;
        let version = vec![Value::from(migration.version)];
        DB::execute(&mut transaction, "INSERT INTO bloodbank_schema (version) VALUES ($1)", version).await?;
        applied.push(migration.version);
    }
    transaction.commit().await?;
    Ok(applied)
}

async fn read_version<DB: Database>(connection: &mut DB::Connection) -> Result<Option<i64>, sqlx_core::Error> {
    let exists = match DB::DIALECT {
        // Not `to_regclass`, which may remember within a transaction that there was none.
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.relname = 'bloodbank_schema' AND n.nspname = ANY (current_schemas(false))"
        }
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = 'bloodbank_schema'",
    };
    let exists = DB::fetch(connection, exists, Vec::new()).await?;
    if exists.first().is_none_or(|row| row.integer(0) == 0) {
        return Ok(None);
    }
    let versions = DB::fetch(connection, "SELECT max(version) FROM bloodbank_schema", Vec::new()).await?;
    Ok(versions.first().map(|row| row.integer(0)))
}

const fn versions_table(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "CREATE TABLE bloodbank_schema (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());"
        }
        Dialect::Sqlite => {
            "CREATE TABLE bloodbank_schema (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL DEFAULT \
             (unixepoch() * 1000)) STRICT;"
        }
    }
}
