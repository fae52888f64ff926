//! Followers hear of a commit of the writer at once, over one connection, and look by themselves where they hear nothing.

use std::time::{Duration, Instant};

use bloodbank::{
    Bus,
    sql::{JournalWriter, PostgresJournal},
    store::{Journal, JournalEntries, JournalQuery, Position},
};
use futures_util::StreamExt;
use sqlx::{PgPool, Postgres};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{bench::Bench, given::entry};
use crate::database::{TestDatabase, execute};

const LISTENERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until so many connections listen.
async fn listeners(pool: &PgPool, count: i64) {
    let begun = Instant::now();
    while Postgres::number(pool, LISTENERS).await != count {
        assert!(begun.elapsed() < PATIENCE, "{} listen", Postgres::number(pool, LISTENERS).await);
        sleep(Duration::from_millis(20)).await;
    }
}

async fn next(following: &mut JournalEntries) -> u64 {
    timeout(PATIENCE, following.next()).await.expect("it hears nothing").unwrap().unwrap().offset
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_look_once_an_hour_hear_of_commits_over_one_connection_and_listen_again() {
    let bench = Bench::new().await;
    let journal = PostgresJournal::new(bench.pool.clone()).interval(Duration::from_secs(3_600));
    let stop = CancellationToken::new();
    let writer = JournalWriter::new(bench.pool.clone()).source(bench.source.followed());
    let running = tokio::spawn(writer.run(Bus::embedded(), stop.clone()));
    let mut followers: Vec<JournalEntries> =
        (0..2).map(|_| journal.follow(JournalQuery::all(), Position::Start)).collect();
    bench.source.push([entry(0)]);
    for following in &mut followers {
        assert_eq!(next(following).await, 0);
    }
    for offset in 1..4 {
        let waiting: Vec<_> = followers
            .into_iter()
            .map(|mut following| tokio::spawn(async move { (next(&mut following).await, following) }))
            .collect();
        listeners(&bench.pool, 1).await;
        // They have looked once more since, and sleep.
        sleep(Duration::from_millis(300)).await;
        bench.source.push([entry(offset)]);
        followers = Vec::new();
        for waiting in waiting {
            let (heard, following) = waiting.await.unwrap();
            assert_eq!(heard, offset);
            followers.push(following);
        }
        let kill = format!("SELECT pg_terminate_backend(pid) FROM ({}) AS l", LISTENERS.replace("count(*)", "pid"));
        execute(&bench.pool, &kill).await;
    }
    drop(followers);
    listeners(&bench.pool, 0).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// As behind a pooler, which gives the connection that listens to somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_hears_nothing_looks_all_the_same() {
    let bench = Bench::new().await;
    bench.source.push((0..3).map(entry));
    bench.copy().await.unwrap();
    let mut following = bench.journal.follow(JournalQuery::all(), Position::Last(1));
    assert_eq!(next(&mut following).await, 2);
    for offset in 3..6 {
        let silently = format!(
            "INSERT INTO bloodbank_journal SELECT {offset}, NULL, event_type, source, app_id, published_at, latest_at, written_at, \
             exchange, routing_key, properties, body, day FROM bloodbank_journal WHERE stream_offset = 0; \
             UPDATE bloodbank_journal_progress SET next_offset = {}",
            offset + 1
        );
        let waiting = tokio::spawn(async move { (next(&mut following).await, following) });
        listeners(&bench.pool, 1).await;
        sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(silently)).execute(&bench.pool).await.unwrap();
        let (heard, again) = waiting.await.unwrap();
        assert_eq!(heard, offset);
        following = again;
    }
}
