//! A journal from before it had partitions becomes one with partitions, and has what it had.

use bloodbank::{
    sql::{Dialect, Schema},
    store::{Journal, JournalQuery, Position},
};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};
use uuid::Uuid;

use super::{bench::Bench, given::entry};
use crate::{
    clock::with_a_clock_that_jumps,
    database::{TestDatabase, execute},
};

/// The tables as they were in version 2.
async fn before(pool: &PgPool) {
    let script = Schema::script(Dialect::Postgres);
    let end = "INSERT INTO bloodbank_schema (version) VALUES (2);\n";
    let (old, _) = script.split_once(end).unwrap();
    pool.execute(sqlx::raw_sql(AssertSqlSafe(format!("{old}{end}")))).await.unwrap();
}

/// What a writer of that time has written.
const ROWS: &str = "INSERT INTO bloodbank_journal (stream_offset, event_id, event_type, source, app_id, published_at, latest_at, \
     written_at, exchange, routing_key, properties, body) \
     SELECT n, lpad(to_hex(n), 32, '0')::uuid, 'orders.t' || n % 5 || '.placed', 'shop', NULL, \
     'epoch'::timestamptz + n * interval '1 second', 'epoch'::timestamptz + n * interval '1 second', \
     'epoch'::timestamptz + n * interval '1 hour', 'events', 'orders.t' || n % 5 || '.placed', \
     format('{\"message_id\":\"%s\"}', lpad(to_hex(n), 32, '0')::uuid), convert_to(n::text, 'UTF8') \
     FROM generate_series(0, 2999) AS n; \
     INSERT INTO bloodbank_journal_cause SELECT lpad(to_hex(n / 2), 32, '0')::uuid, n FROM generate_series(0, 2999) AS n; \
     INSERT INTO bloodbank_journal_progress (source, next_offset, latest_at) \
     VALUES ('the given journal', 3000, 'epoch'::timestamptz + 2999 * interval '1 second'); \
     INSERT INTO bloodbank_journal_lost (first_offset, last_offset) VALUES (-2, -1)";

/// All that the rows have, apart from their day.
const DIGEST: &str = "SELECT md5(string_agg(concat_ws('|', stream_offset, event_id, event_type, source, app_id, published_at, \
     latest_at, written_at, exchange, routing_key, properties, body), ',' ORDER BY stream_offset)) FROM bloodbank_journal";

async fn text(pool: &PgPool, query: &'static str) -> String {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_before_there_were_partitions_is_the_first_one() {
    let (plain, ()) = Postgres::create().await;
    let pool = with_a_clock_that_jumps(&plain).await;
    before(&pool).await;
    pool.execute(sqlx::raw_sql(ROWS)).await.unwrap();
    let digest = text(&pool, DIGEST).await;
    let file = "SELECT pg_relation_filenode(coalesce(to_regclass('bloodbank_journal_' || \
                to_char((clock_timestamp() AT TIME ZONE 'UTC')::date, 'YYYYMMDD')), 'bloodbank_journal'::regclass))::text";
    let filenode = text(&pool, file).await;
    assert_eq!(Schema::migrate(&pool).await.unwrap(), [3, 4]);
    assert_eq!(text(&pool, DIGEST).await, digest);
    assert_eq!(text(&pool, file).await, filenode, "no row was rewritten");
    let bench = Bench::on(pool);
    let all: Vec<u64> = (0..3_000).collect();
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, all);
    let typed = JournalQuery::all().types(["orders.t3.placed"]);
    assert_eq!(bench.offsets(typed, Position::Last(2)).await, [2_993, 2_998]);
    assert_eq!(bench.journal.get(Uuid::from_u128(7)).await.unwrap().unwrap().offset, 7);
    assert_eq!(bench.status().await.range, Some((0, 2_999)));
    // The writer goes on, on that day and on a later one; the first day goes when it is old.
    bench.source.push((0..3_010).map(entry));
    assert_eq!(bench.copy().await.unwrap(), 10);
    execute(&plain, "UPDATE jumping.clock SET seconds = 86400 * 3").await;
    bench.source.push((3_010..3_020).map(entry));
    let keeping = async |days: u64| {
        let writer = bench.writer().keep(std::time::Duration::from_secs(days * 86_400));
        writer.run_once(&bloodbank::Bus::embedded()).await.unwrap()
    };
    assert_eq!(keeping(10).await, 10);
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (0..3_020).collect::<Vec<_>>());
    assert_eq!(keeping(1).await, 0);
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (3_010..3_020).collect::<Vec<_>>());
    assert_eq!(Postgres::number(&bench.pool, "SELECT count(*) FROM bloodbank_journal_cause").await, 0);
}
