//! `bb sql`.

use std::io::Write;

use bloodbank_sql::{Dialect, Schema};
use serde_json::json;

use crate::{
    database,
    error::{CliError, Result},
    output::{
        self,
        style::{BAD, GOOD, paint},
    },
    runtime,
};

/// Create the tables of Bloodbank in the database of DATABASE_URL, print them, or say whether they are there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  DATABASE_URL=postgres://localhost/shop bb sql migrate
  bb sql schema postgres > bloodbank.sql
  bb sql status")]
pub(crate) struct Sql {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Create the tables, or bring them up to date
    Migrate,
    /// Print the tables as a script, for those who apply it by other means
    Schema {
        /// The database that the script is for; default: that of DATABASE_URL
        #[arg(value_enum)]
        database: Option<DatabaseName>,
    },
    /// Say which version of the tables is there; the exit code is 1 where it is not the one that this program needs
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DatabaseName {
    Postgres,
    Sqlite,
}

impl Sql {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            match self.action {
                Action::Migrate => migrate().await,
                Action::Schema { database } => schema(database),
                Action::Status { json } => status(json).await,
            }
        })
    }
}

async fn migrate() -> Result {
    let pool = database::open()?;
    let applied = pool.migrate().await?;
    let mut out = output::out();
    match applied.last() {
        None => writeln!(out, "{}: nothing to do", pool.dialect())?,
        Some(version) => writeln!(out, "{}: migrated to version {}", pool.dialect(), paint(GOOD, version.to_string()))?,
    }
    Ok(())
}

fn schema(database: Option<DatabaseName>) -> Result {
    let dialect = match database {
        Some(DatabaseName::Postgres) => Dialect::Postgres,
        Some(DatabaseName::Sqlite) => Dialect::Sqlite,
        None => database::open()?.dialect(),
    };
    write!(output::out(), "{}", Schema::script(dialect))?;
    Ok(())
}

async fn status(as_json: bool) -> Result {
    let pool = database::open()?;
    let status = pool.schema_status().await?;
    if as_json {
        let database = pool.dialect().to_string();
        output::json(&json!({ "database": database, "version": status.version, "needed": status.needed }))?;
    } else {
        let version = status.version.map_or_else(|| "no tables".to_owned(), |version| format!("version {version}"));
        let style = if status.is_current() { GOOD } else { BAD };
        writeln!(output::out(), "{}: {}, needed is {}", pool.dialect(), paint(style, version), status.needed)?;
    }
    if status.is_current() { Ok(()) } else { Err(CliError::check_failed()) }
}
