//! The journal has a partition for each day: they are read as one, never out of order, and go as a whole.

use std::time::Duration;

use bloodbank::{
    Bus,
    routing::BindingPattern,
    sql::{JournalWriter, Schema},
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, TimeDelta};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{bench::Bench, given::entry};
use crate::{
    clock::with_a_clock_that_jumps,
    database::{TestDatabase, execute},
};

const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'bloodbank_journal'::regclass";
/// The entries of a day: more than a page.
const DAY: u64 = 700;

/// A bench whose test sets the clock of the database, and the pool that does so.
pub(super) struct Days {
    pub(super) bench: Bench,
    pub(super) plain: PgPool,
}

impl Days {
    pub(super) async fn new() -> Self {
        let (plain, ()) = Postgres::create().await;
        let pool = with_a_clock_that_jumps(&plain).await;
        Schema::migrate(&pool).await.unwrap();
        Self { bench: Bench::on(pool), plain }
    }

    /// Sets the clock so many days after the first one.
    pub(super) async fn set(&self, days: i64) {
        execute(&self.plain, &format!("UPDATE jumping.clock SET seconds = {}", days * 86_400)).await;
    }

    /// Copies a day's entries on each of these days.
    async fn copy(&self, days: std::ops::Range<i64>) {
        for day in days {
            self.set(day).await;
            let first = day.unsigned_abs() * DAY;
            self.bench.source.push((first..first + DAY).map(typed));
            assert_eq!(self.bench.copy().await.unwrap(), DAY);
        }
    }

    async fn number(&self, query: &str) -> i64 {
        Postgres::number(&self.bench.pool, query).await
    }

    /// The name of the partition that has this offset.
    async fn partition(&self, offset: u64) -> String {
        let query = format!("SELECT tableoid::regclass::text FROM bloodbank_journal WHERE stream_offset = {offset}");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&self.bench.pool).await.unwrap()
    }
}

/// An entry of one of seven types; each hundredth is of a rare one.
fn typed(offset: u64) -> JournalEntry {
    let mut entry = entry(offset);
    let name = if offset % 100 == 99 { "rare".to_owned() } else { format!("t{}", offset % 7) };
    entry.message.routing_key = format!("orders.{name}.placed").into();
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_read_as_one_journal() {
    let days = Days::new().await;
    days.copy(0..20).await;
    let (bench, all) = (&days.bench, 20 * DAY);
    // Tomorrow's is there already.
    assert_eq!(days.number(PARTITIONS).await, 21);
    assert_eq!(bench.status().await.partitions, 21);
    assert_eq!(days.number("SELECT count(DISTINCT tableoid) FROM bloodbank_journal").await, 20);
    let range = |range: std::ops::Range<u64>| range.collect::<Vec<_>>();
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, range(0..all));
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Offset(6_999)).await, range(6_999..all));
    for count in [1, 699, 700, 701, 5_000, 14_000, 20_000] {
        let last = bench.offsets(JournalQuery::all(), Position::Last(usize::try_from(count).unwrap())).await;
        assert_eq!(last, range(all.saturating_sub(count)..all), "the last {count}");
    }
    let before = bench.offsets(JournalQuery::all().before(1_401), Position::Last(3)).await;
    assert_eq!(before, range(1_398..1_401));
    for offset in [0, 699, 700, 13_999] {
        let found = bench.journal.get(Uuid::from_u128(offset)).await.unwrap().map(|entry| u128::from(entry.offset));
        assert_eq!(found, Some(offset));
        let second = i64::try_from(offset).unwrap();
        let from =
            bench.offsets(JournalQuery::all(), Position::Time(DateTime::UNIX_EPOCH + TimeDelta::seconds(second)));
        assert_eq!(from.await.first().map(|first| u128::from(*first)), Some(offset), "from a time on");
    }
    assert!(bench.journal.get(Uuid::from_u128(1 << 70)).await.unwrap().is_none());
    let late = Position::Time(DateTime::UNIX_EPOCH + TimeDelta::seconds(14_000));
    assert_eq!(bench.offsets(JournalQuery::all(), late).await, range(0..0));
    let of = async |pattern: &str, from| {
        bench.offsets(JournalQuery::all().pattern(BindingPattern::parse(pattern).unwrap()), from).await
    };
    let rare: Vec<u64> = (0..all).filter(|offset| offset % 100 == 99).collect();
    assert_eq!(of("orders.rare.#", Position::Start).await, rare);
    assert_eq!(of("orders.rare.#", Position::Last(30)).await, rare[rare.len() - 30..]);
    assert_eq!(of("orders.*.placed", Position::Start).await.len(), usize::try_from(all).unwrap());
    let (floor, tip) = (bench.journal.floor().await.unwrap(), bench.journal.tip().await.unwrap());
    assert_eq!((floor, tip, bench.journal.complete_from().await.unwrap()), (Some(0), Some(all - 1), Some(0)));
}

/// However many days there are, a look is planned for those that it needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_leaves_the_other_days_alone() {
    let days = Days::new().await;
    days.copy(0..5).await;
    let (newest, bench) = (days.partition(5 * DAY - 1).await, &days.bench);
    let (oldest, patience) = (days.partition(0).await, Duration::from_secs(60));
    let mut locked = bench.pool.begin().await.unwrap();
    locked.execute(AssertSqlSafe(format!("LOCK TABLE {newest} IN ACCESS EXCLUSIVE MODE"))).await.unwrap();
    let first = bench.journal.read(JournalQuery::all(), Position::Start).take(2_000).count();
    assert_eq!(timeout(patience, first).await.expect("it waits for the newest day"), 2_000);
    locked.rollback().await.unwrap();
    let mut locked = bench.pool.begin().await.unwrap();
    locked.execute(AssertSqlSafe(format!("LOCK TABLE {oldest} IN ACCESS EXCLUSIVE MODE"))).await.unwrap();
    let last = async {
        assert_eq!(bench.offsets(JournalQuery::all(), Position::Last(1_000)).await.len(), 1_000);
        bench.journal.get(Uuid::from_u128(u128::from(4 * DAY))).await.unwrap().expect("it is on the newest day");
        (bench.journal.floor().await.unwrap(), bench.journal.tip().await.unwrap())
    };
    assert_eq!(timeout(patience, last).await.expect("it waits for the oldest day"), (Some(0), Some(5 * DAY - 1)));
    locked.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_never_falls_when_the_clock_is_set_back_and_is_made_when_it_is_set_forward() {
    let days = Days::new().await;
    let bench = &days.bench;
    // Set back a day, and forward farther than partitions are made ahead.
    for (turn, day) in (0..).zip([0, 1, 0, 9, 8, 9]) {
        days.set(day).await;
        bench.source.push((turn * 10..turn * 10 + 10).map(typed));
        assert_eq!(bench.copy().await.unwrap(), 10);
    }
    let falls = "SELECT count(*) FROM (SELECT day < lag(day) OVER (ORDER BY stream_offset) AS falls FROM bloodbank_journal) AS d \
                 WHERE falls";
    assert_eq!(days.number(falls).await, 0);
    assert_eq!(days.number("SELECT count(*) FROM bloodbank_journal_day").await, 3, "days 0, 1 and 9");
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (0..60).collect::<Vec<_>>());
    // While a writer runs.
    let source = bench.source.clone();
    let stop = CancellationToken::new();
    let writer = JournalWriter::new(bench.pool.clone()).source(source.followed());
    let running = tokio::spawn(writer.run(Bus::embedded(), stop.clone()));
    source.push((60..70).map(typed));
    bench.written(70).await;
    days.set(30).await;
    source.push((70..80).map(typed));
    bench.written(80).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_ne!(days.partition(69).await, days.partition(70).await);
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Last(30)).await, (50..80).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_days_go_as_a_whole_and_a_reader_is_told() {
    let days = Days::new().await;
    days.copy(0..6).await;
    let bench = &days.bench;
    let causes =
        "INSERT INTO bloodbank_journal_cause SELECT gen_random_uuid(), stream_offset, day FROM bloodbank_journal";
    execute(&bench.pool, causes).await;
    let mut reading = bench.journal.read(JournalQuery::all(), Position::Start);
    assert_eq!(reading.next().await.unwrap().unwrap().offset, 0);
    let pruned = async |keep: u64| {
        let pruned = bench.writer().keep(Duration::from_secs(keep)).run_once(&Bus::embedded()).await;
        assert_eq!(pruned.unwrap(), 0);
        (bench.journal.floor().await.unwrap(), bench.journal.tip().await.unwrap())
    };
    let tip = Some(6 * DAY - 1);
    // Today is day 5: the third day before it ended two days ago.
    assert_eq!(pruned(6 * 86_400).await, (Some(0), tip), "nothing is so old");
    assert_eq!(pruned(2 * 86_400).await, (Some(3 * DAY), tip));
    assert_eq!(days.number(PARTITIONS).await, 4, "days 3, 4, today and tomorrow");
    let causes = i64::try_from(3 * DAY).unwrap();
    assert_eq!(days.number("SELECT count(*) FROM bloodbank_journal_cause").await, causes);
    let mut next = 1;
    let error = loop {
        match reading.next().await.expect("it is told") {
            Ok(entry) => {
                assert_eq!(entry.offset, next);
                next += 1;
            }
            Err(error) => break error,
        }
    };
    assert!(error.to_string().starts_with(&format!("the entries {next} to {} of ", 3 * DAY - 1)), "{error}");
    let rest: Vec<u64> = (3 * DAY..6 * DAY).collect();
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, rest);
    assert_eq!(bench.copy().await.unwrap(), 0, "what was dropped does not come again");
    // Nothing came for a long time: the days without an entry go too, and the last one with entries.
    days.set(40).await;
    assert_eq!(pruned(86_400).await, (None, None));
    assert_eq!(days.number("SELECT count(*) FROM bloodbank_journal_type").await, 0, "nor has it a type");
    assert_eq!(bench.status().await.range, None);
    let next = 6 * DAY;
    bench.source.push([typed(next)]);
    assert_eq!(bench.copy().await.unwrap(), 1);
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, [next]);
    assert_eq!(bench.journal.complete_from().await.unwrap(), Some(next));
}

/// Dropping a table is not undone for those who began to look before: they would see a journal without that day.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_dropped_while_somebody_looks_is_not_jumped_over() {
    let days = Days::new().await;
    days.copy(0..3).await;
    let bench = &days.bench;
    let (oldest, causes) = (days.partition(0).await, days.partition(0).await.replace("journal_", "journal_cause_"));
    let mut reading = bench.journal.read(JournalQuery::all(), Position::Start);
    for offset in 0..500 {
        assert_eq!(reading.next().await.unwrap().unwrap().offset, offset);
    }
    let mut dropping = bench.pool.begin().await.unwrap();
    dropping.execute("LOCK TABLE ONLY bloodbank_journal IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let looking = tokio::spawn(async move { reading.try_collect::<Vec<_>>().await });
    while days.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'").await == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let script = format!(
        "DROP TABLE {oldest}, {causes}; DELETE FROM bloodbank_journal_day WHERE first_offset = 0; \
         UPDATE bloodbank_journal_progress SET pruned_to = {}",
        DAY - 1
    );
    dropping.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
    dropping.commit().await.unwrap();
    let read = looking.await.unwrap().map(|read| read.len());
    let error = read.expect_err("it jumps over what was dropped");
    assert!(error.to_string().starts_with(&format!("the entries 500 to {} of ", DAY - 1)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_somebody_reads_is_dropped_later_and_copying_goes_on() {
    let days = Days::new().await;
    days.copy(0..3).await;
    let bench = &days.bench;
    let mut reading = bench.pool.begin().await.unwrap();
    reading.execute("SELECT count(*) FROM bloodbank_journal").await.unwrap();
    bench.source.push((3 * DAY..3 * DAY + 5).map(typed));
    let keeping = async || bench.writer().keep(Duration::ZERO).run_once(&Bus::embedded()).await.unwrap();
    assert_eq!(keeping().await, 5, "it is copied all the same");
    assert_eq!(bench.journal.floor().await.unwrap(), Some(0));
    reading.rollback().await.unwrap();
    assert_eq!(keeping().await, 0);
    assert_eq!(bench.journal.floor().await.unwrap(), Some(2 * DAY), "only today is left");
}

/// As where the progress was restored from an older backup than the rows.
#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_there_does_not_come_again_on_another_day() {
    let days = Days::new().await;
    days.copy(0..2).await;
    let bench = &days.bench;
    execute(&bench.pool, "UPDATE bloodbank_journal_progress SET next_offset = 100").await;
    days.set(7).await;
    bench.source.push((2 * DAY..2 * DAY + 5).map(typed));
    assert_eq!(bench.copy().await.unwrap(), 2 * DAY - 100 + 5);
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (0..2 * DAY + 5).collect::<Vec<_>>());
    assert_eq!(days.number("SELECT min(first_offset) FROM bloodbank_journal_day WHERE day > (SELECT min(day) + 1 FROM bloodbank_journal_day)").await, 1_400);
}
