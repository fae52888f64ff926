//! SQLite.

use futures_util::{
    FutureExt,
    future::{BoxFuture, pending},
};
use sqlx_core::{
    executor::Executor,
    pool::Pool,
    query::{Query, query},
    raw_sql::raw_sql,
    row::Row as _,
    sql_str::AssertSqlSafe,
    type_info::TypeInfo,
    value::ValueRef,
};
use sqlx_sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};

use super::{AsConnection, Database, Dialect, Executed, Notified, Row, Value, sealed::Driver};

impl Database for Sqlite {}

impl Driver for Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn execute<'c>(connection: &'c mut SqliteConnection, statement: &str, values: Vec<Value>) -> Executed<'c, u64> {
        let query = bound(statement, values);
        async move { Ok(connection.execute(query).await?.rows_affected()) }.boxed()
    }

    fn fetch<'c>(connection: &'c mut SqliteConnection, statement: &str, values: Vec<Value>) -> Executed<'c, Vec<Row>> {
        let query = bound(statement, values);
        async move { connection.fetch_all(query).await?.iter().map(read).collect() }.boxed()
    }

    fn script<'c>(connection: &'c mut SqliteConnection, script: &'static str) -> Executed<'c, ()> {
        async move { connection.execute(raw_sql(script)).await.map(drop) }.boxed()
    }

    fn listen(_: &Pool<Self>, _: &'static str, _: Notified) -> BoxFuture<'static, ()> {
        pending().boxed()
    }
}

impl AsConnection for SqliteConnection {
    type Database = Sqlite;

    fn as_connection(&mut self) -> &mut SqliteConnection {
        self
    }
}

/// The statement is one of this crate, and holds no value.
fn bound(statement: &str, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = query(AssertSqlSafe(statement.to_owned()));
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Integer(number) => query.bind(number),
            // People who look into the file can read it.
            Value::Uuid(id) => query.bind(id.to_string()),
            Value::Bytes(bytes) => query.bind(bytes),
        };
    }
    query
}

fn read(row: &SqliteRow) -> Result<Row, sqlx_core::Error> {
    let columns = (0..row.len()).map(|index| {
        let value = row.try_get_raw(index)?;
        let (is_null, kind) = (value.is_null(), value.type_info().name().to_owned());
        Ok(match &*kind {
            _ if is_null => Value::Text(None),
            "INTEGER" => Value::Integer(row.try_get(index)?),
            "BLOB" => Value::Bytes(row.try_get(index)?),
            _ => Value::Text(row.try_get(index)?),
        })
    });
    columns.collect::<Result<_, _>>().map(Row)
}
