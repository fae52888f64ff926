//! A writer whose role may write the tables, and does not own them.

use std::time::{Duration, Instant};

use bloodbank::{
    Bus, ErrorKind,
    sql::JournalWriter,
    store::{JournalQuery, Position},
};
use bloodbank_harness::unique;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;

use super::{given::entry, partitions::Days};
use crate::database::execute;

/// The pool of a new role that may do everything with the rows, and nothing with the tables.
async fn of_another_role(days: &Days) -> PgPool {
    let role = unique("writer").replace('-', "_");
    execute(&days.plain, &format!("CREATE ROLE {role} LOGIN")).await;
    for statement in [
        format!("GRANT USAGE ON SCHEMA jumping TO {role}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jumping TO {role}"),
    ] {
        execute(&days.plain, &statement).await;
    }
    let options = (*days.bench.pool.connect_options()).clone().username(&role);
    PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_may_not_make_partitions_says_so_before_they_are_needed() {
    let days = Days::new().await;
    let pool = of_another_role(&days).await;
    let writer = || JournalWriter::new(pool.clone()).source(days.bench.source.followed());
    let stop = CancellationToken::new();
    let bus = Bus::embedded();
    let running = tokio::spawn(writer().run(bus.clone(), stop.clone()));
    // Today's was made with the tables, and tomorrow's cannot be.
    days.bench.source.push((0..5).map(entry));
    days.bench.written(5).await;
    let said = async |wanted: &str| {
        let begun = Instant::now();
        loop {
            let reasons = bus.health().reasons.join("; ");
            if reasons.contains(wanted) {
                return reasons;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{reasons}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = said("has no partition for").await;
    assert!(told.contains("permission denied for schema") || told.contains("must be owner"), "{told}");
    assert!(told.contains("or let their owner run `bb journal partitions`"), "{told}");
    stop.cancel();
    running.await.unwrap().unwrap();
    // Now it is needed.
    days.set(1).await;
    days.bench.source.push((5..10).map(entry));
    let error =
        JournalWriter::new(pool.clone()).source(days.bench.source.as_journal()).run_once(&bus).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(
        error.to_string().contains("has no partition for") && error.to_string().contains("cannot create it"),
        "{error}"
    );
    // The owner makes them.
    let owner = JournalWriter::new(days.bench.pool.clone());
    assert_eq!(owner.create_partitions(30).await.unwrap(), 31);
    assert_eq!(owner.create_partitions(30).await.unwrap(), 0);
    let writer = || JournalWriter::new(pool.clone()).source(days.bench.source.as_journal());
    assert_eq!(writer().run_once(&bus).await.unwrap(), 5);
    days.set(20).await;
    days.bench.source.push((10..15).map(entry));
    let error = writer().keep(Duration::from_secs(86_400)).run_once(&bus).await.unwrap_err();
    assert!(
        error.to_string().contains("old days of the journal in PostgreSQL cannot be dropped (must be owner"),
        "{error}"
    );
    let all = days.bench.offsets(JournalQuery::all(), Position::Start).await;
    assert_eq!(all, (0..15).collect::<Vec<_>>(), "that keeps nothing from being copied");
}
