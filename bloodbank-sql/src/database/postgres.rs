//! PostgreSQL.

use std::{convert::Infallible, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx_core::{
    column::Column,
    executor::Executor,
    pool::{Pool, PoolOptions},
    query::{Query, query},
    raw_sql::raw_sql,
    row::Row as _,
    sql_str::AssertSqlSafe,
    type_info::TypeInfo,
};
use sqlx_postgres::{PgArguments, PgConnection, PgListener, PgRow, Postgres};
use tracing::debug;

use super::{AsConnection, Database, Dialect, Executed, Notified, Row, Value, sealed::Driver};

/// The pause before a listener that lost its connection, or has none, tries again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

impl Database for Postgres {}

impl Driver for Postgres {
    const DIALECT: Dialect = Dialect::Postgres;

    fn execute<'c>(connection: &'c mut PgConnection, statement: &str, values: Vec<Value>) -> Executed<'c, u64> {
        let query = bound(statement, values);
        async move { Ok(connection.execute(query).await?.rows_affected()) }.boxed()
    }

    fn fetch<'c>(connection: &'c mut PgConnection, statement: &str, values: Vec<Value>) -> Executed<'c, Vec<Row>> {
        let query = bound(statement, values);
        async move { connection.fetch_all(query).await?.iter().map(read).collect() }.boxed()
    }

    fn script<'c>(connection: &'c mut PgConnection, script: &'static str) -> Executed<'c, ()> {
        async move { connection.execute(raw_sql(script)).await.map(drop) }.boxed()
    }

    fn listen(pool: &Pool<Self>, channel: &'static str, notified: Notified) -> BoxFuture<'static, ()> {
        listen(pool, channel, notified).boxed()
    }
}

impl AsConnection for PgConnection {
    type Database = Postgres;

    fn as_connection(&mut self) -> &mut PgConnection {
        self
    }
}

/// Calls `notified` for each notification on a channel, on a connection of its own, until it is dropped.
pub(crate) fn listen(
    pool: &Pool<Postgres>,
    channel: &'static str,
    notified: Notified,
) -> impl Future<Output = ()> + Send + 'static {
    // Apart: a pool of one connection would have none left.
    let own = PoolOptions::new().max_connections(1).connect_lazy_with((*pool.connect_options()).clone());
    async move {
        loop {
            let Err(error) = hear(&own, channel, &notified).await;
            debug!(%error, channel, "no notifications for a while; what they tell of is looked for all the same");
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }
}

async fn hear(pool: &Pool<Postgres>, channel: &str, notified: &Notified) -> Result<Infallible, sqlx_core::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        // Also what came while nobody listened: at the start, and where `try_recv` says that the connection was lost.
        notified();
        listener.try_recv().await?;
    }
}

/// The statement is one of this crate, and holds no value.
fn bound(statement: &str, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    let mut query = query(AssertSqlSafe(statement.to_owned()));
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Integer(number) => query.bind(number),
            Value::Uuid(id) => query.bind(id),
            Value::Bytes(bytes) => query.bind(bytes),
        };
    }
    query
}

fn read(row: &PgRow) -> Result<Row, sqlx_core::Error> {
    let columns = row.columns().iter().map(|column| {
        let index = column.ordinal();
        Ok(match column.type_info().name() {
            "INT8" => Value::Integer(row.try_get(index)?),
            "UUID" => row.try_get::<Option<_>, _>(index)?.map_or(Value::Text(None), Value::Uuid),
            "BYTEA" => row.try_get::<Option<_>, _>(index)?.map_or(Value::Text(None), Value::Bytes),
            _ => Value::Text(row.try_get(index)?),
        })
    });
    columns.collect::<Result<_, _>>().map(Row)
}
