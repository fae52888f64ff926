//! The tables of Bloodbank.

use bloodbank::sql::{Database, Dialect, Schema};
use bloodbank::{App, ErrorKind, sql::AppExt, testing::TestBus};
use sqlx::{Postgres, Sqlite};

use crate::database::{TestDatabase, execute, on_both};

on_both! {
    migrations_are_applied_once_by_however_many
    an_app_does_not_start_without_its_tables
}

async fn migrations_are_applied_once_by_however_many<DB: TestDatabase>() {
    let (pool, _guard) = DB::create().await;
    let before = Schema::status(&pool).await.unwrap();
    assert_eq!((before.version, before.is_current()), (None, false));
    let (one, two, three) = tokio::join!(Schema::migrate(&pool), Schema::migrate(&pool), Schema::migrate(&pool));
    let applied: Vec<i64> = [one, two, three].into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(applied, (1..=Schema::version()).collect::<Vec<_>>());
    let after = Schema::status(&pool).await.unwrap();
    assert_eq!((after.version, after.is_current()), (Some(Schema::version()), true));
}

async fn an_app_does_not_start_without_its_tables<DB: TestDatabase>() {
    let (pool, _guard) = DB::create().await;
    let bus = TestBus::new();
    let error = App::new("shop", bus.bus()).outbox(pool.clone()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings, "{error}");
    assert!(error.to_string().contains("has no tables of Bloodbank"), "{error}");
    assert!(error.to_string().contains("bb sql migrate"), "{error}");

    Schema::migrate(&pool).await.unwrap();
    let needed = Schema::version();
    execute(&pool, &format!("DELETE FROM bloodbank_schema WHERE version = {needed}")).await;
    let error = App::new("shop", bus.bus()).outbox(pool.clone()).start().await.unwrap_err();
    assert!(error.to_string().contains(&format!("has version {}", needed - 1)), "{error}");

    // A later version only adds.
    execute(&pool, &format!("INSERT INTO bloodbank_schema (version) VALUES ({})", needed + 1)).await;
    App::new("shop", bus.bus()).outbox(pool).start().await.unwrap().shutdown().await.unwrap();
}

async fn applied_by_hand<DB: TestDatabase>(dialect: Dialect) {
    let (pool, _guard) = DB::create().await;
    execute::<DB>(&pool, &Schema::script(dialect)).await;
    assert!(Schema::status(&pool).await.unwrap().is_current());
    assert_eq!(Schema::migrate(&pool).await.unwrap(), [] as [i64; 0]);
}

#[tokio::test]
async fn the_printed_script_makes_the_same_tables() {
    fn check<DB: Database>() {}
    check::<Sqlite>();
    applied_by_hand::<Sqlite>(Dialect::Sqlite).await;
    applied_by_hand::<Postgres>(Dialect::Postgres).await;
}
