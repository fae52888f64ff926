//! PostgreSQL.

use futures_util::FutureExt;
use sqlx_core::{
    column::Column,
    executor::Executor,
    query::{Query, query},
    raw_sql::raw_sql,
    row::Row as _,
    sql_str::AssertSqlSafe,
    type_info::TypeInfo,
};
use sqlx_postgres::{PgArguments, PgConnection, PgRow, Postgres};

use super::{AsConnection, Database, Dialect, Executed, Row, Value, sealed::Driver};

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
}

impl AsConnection for PgConnection {
    type Database = Postgres;

    fn as_connection(&mut self) -> &mut PgConnection {
        self
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
