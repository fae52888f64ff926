//! Rows written by other libraries than sqlx: a statement and its parameters.

use bloodbank::{
    sql::{INSERT, OutboxRow, Relay},
    testing::TestBus,
};
use sqlx::{Postgres, Sqlite};

use crate::{OrderPlaced, database::migrated, placed};

#[tokio::test(flavor = "multi_thread")]
async fn rusqlite_writes_the_row_in_its_own_transaction() {
    let (pool, folder) = migrated::<Sqlite>().await;
    let bus = TestBus::new();
    let mut connection = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    for (number, commit) in [(1, true), (2, false)] {
        let prepared = bus.publish(placed(number)).header("tenant", "acme").prepare().unwrap();
        let OutboxRow { event_id, event_type, message, order_key, .. } = OutboxRow::of(&prepared).unwrap();
        let transaction = connection.transaction().unwrap();
        let parameters = rusqlite::params![event_id.to_string(), event_type, message, order_key];
        transaction.execute(INSERT, parameters).unwrap();
        if commit {
            transaction.commit().unwrap();
        }
    }
    assert_eq!(Relay::new(pool).run_once(&bus).await.unwrap(), 1);
    assert_eq!(bus.published::<OrderPlaced>()[0].payload, placed(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokio_postgres_writes_the_row_in_its_own_transaction() {
    let (pool, ()) = migrated::<Postgres>().await;
    let bus = TestBus::new();
    let options = pool.connect_options();
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(options.get_port()).user(options.get_username());
    config.dbname(options.get_database().unwrap());
    let (mut client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for (number, commit) in [(1, true), (2, false)] {
        let prepared = bus.publish(placed(number)).header("tenant", "acme").prepare().unwrap();
        let row = OutboxRow::of(&prepared).unwrap().ordered_by("acme");
        let transaction = client.transaction().await.unwrap();
        transaction.execute(INSERT, &[&row.event_id, &row.event_type, &row.message, &row.order_key]).await.unwrap();
        if commit {
            transaction.commit().await.unwrap();
        }
    }
    assert_eq!(Relay::new(pool).run_once(&bus).await.unwrap(), 1);
    assert_eq!(bus.published::<OrderPlaced>()[0].payload, placed(1));
}
