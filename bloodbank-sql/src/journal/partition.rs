//! The partitions of the journal, one for each day: created before they are needed, and dropped as a whole.

use sqlx_core::{
    connection::Connection, executor::Executor, pool::Pool, query::query, query_scalar::query_scalar, raw_sql::raw_sql,
    row::Row as _, sql_str::AssertSqlSafe,
};
use sqlx_postgres::{PgConnection, Postgres};

use super::day::{Day, TODAY};

/// The tables that have a partition for each day.
const TABLES: [&str; 2] = ["bloodbank_journal", "bloodbank_journal_cause"];

/// Whoever waits for a table keeps those waiting that come after it: it is better to try again later.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// The schema of a table, and whether it has this partition.
const FIND: &str = "SELECT quote_ident(n.nspname), EXISTS (SELECT FROM pg_catalog.pg_inherits AS i \
    JOIN pg_catalog.pg_class AS p ON p.oid = i.inhrelid WHERE i.inhparent = c.oid AND p.relname = $2) \
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::text::regclass";

/// The oldest partition, where all that is in it was written before so many milliseconds.
const OLDEST: &str = "SELECT day - DATE 'epoch' FROM (SELECT CASE WHEN p.relname ~ '^bloodbank_journal_[0-9]{8}$' \
    THEN to_date(right(p.relname, 8), 'YYYYMMDD') END AS day FROM pg_catalog.pg_inherits AS i \
    JOIN pg_catalog.pg_class AS p ON p.oid = i.inhrelid WHERE i.inhparent = 'bloodbank_journal'::regclass) AS known \
    WHERE day < ((clock_timestamp() - $1 * interval '1 millisecond') AT TIME ZONE 'UTC')::date ORDER BY day LIMIT 1";

/// Creates the partitions of a day that are not there; returns whether any was missing.
///
/// They are created apart and then attached, which waits neither for readers nor for writers: `CREATE TABLE … PARTITION OF` would
/// lock the whole journal.
pub(super) async fn create(connection: &mut PgConnection, day: Day) -> Result<bool, sqlx_core::Error> {
    let mut transaction = connection.begin().await?;
    let mut was_missing = false;
    for table in TABLES {
        let partition = day.partition_of(table);
        let found = query(FIND).bind(table).bind(&partition).fetch_one(&mut *transaction).await?;
        let (schema, is_there): (String, bool) = (found.try_get(0)?, found.try_get(1)?);
        if is_there {
            continue;
        }
        was_missing = true;
        let (from, to) = (day.date(), day.next().date());
        let script = format!(
            "{PATIENCE}; CREATE TABLE {schema}.{partition} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES); \
             ALTER TABLE {table} ATTACH PARTITION {schema}.{partition} FOR VALUES FROM ('{from}') TO ('{to}')"
        );
        transaction.execute(raw_sql(AssertSqlSafe(script))).await?;
    }
    transaction.commit().await?;
    Ok(was_missing)
}

/// Creates the partitions of today and of so many days after it that are not there; returns the number of days that had none.
pub(super) async fn create_ahead(pool: &Pool<Postgres>, days: u16) -> Result<u16, sqlx_core::Error> {
    let mut connection = pool.acquire().await?;
    let today = AssertSqlSafe(format!("SELECT {TODAY} - DATE 'epoch'"));
    let today: i32 = query_scalar(today).fetch_one(&mut *connection).await?;
    let mut created = 0;
    for day in (today..=today + i32::from(days)).map(Day) {
        created += u16::from(create(&mut connection, day).await?);
    }
    Ok(created)
}

/// The day of the oldest partition, where all that is in it was written before so many milliseconds.
pub(super) async fn oldest(connection: &mut PgConnection, age: i64) -> Result<Option<Day>, sqlx_core::Error> {
    Ok(query_scalar::<_, i32>(OLDEST).bind(age).fetch_optional(connection).await?.map(Day))
}

/// Drops the partitions of a day, which waits until nobody reads the journal.
pub(super) async fn drop(connection: &mut PgConnection, day: Day) -> Result<(), sqlx_core::Error> {
    for table in TABLES {
        let partition = day.partition_of(table);
        let found = query(FIND).bind(table).bind(&partition).fetch_one(&mut *connection).await?;
        let (schema, is_there): (String, bool) = (found.try_get(0)?, found.try_get(1)?);
        if is_there {
            let script = format!("{PATIENCE}; DROP TABLE {schema}.{partition}");
            connection.execute(raw_sql(AssertSqlSafe(script))).await?;
        }
    }
    Ok(())
}

/// Whether the database gave up waiting for a table that somebody uses.
pub(super) fn is_in_use(error: &sqlx_core::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}
