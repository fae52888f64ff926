//! A history of some types, which looks at no others.

use bloodbank_core::{
    routing::BindingPattern,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use futures_util::TryStreamExt;

use crate::sqlite::{journal::FileJournal, tests::*};

const TYPES: [&str; 4] = ["orders.order.placed", "orders.order.shipped", "ordersx.order.placed", "bills.bill.sent"];

fn pattern(text: &str) -> JournalQuery {
    JournalQuery::all().pattern(BindingPattern::parse(text).unwrap())
}

/// A bus that published so many messages of these types in turn, and its journal.
async fn published(count: usize) -> (Bench, FileJournal) {
    let bench = Bench::new().await;
    let publishes = (0..count).map(|number| {
        let key = TYPES[number % TYPES.len()];
        // The key stands for the type of a message that has none.
        let mut properties = Properties::default();
        properties.event_type = (number % 3 > 0).then(|| key.into());
        bench.bus.publish(Outgoing::new("e", key, Bytes::from(number.to_string())).properties(properties))
    });
    for published in futures_util::future::join_all(publishes).await {
        published.unwrap();
    }
    let journal = FileJournal::new(&bench.bus.engine, &bench.folder.path().join("bus.db"));
    (bench, journal)
}

async fn read(journal: &FileJournal, query: JournalQuery, from: Position) -> Vec<usize> {
    let number = |entry: JournalEntry| std::str::from_utf8(&entry.message.body).unwrap().parse::<usize>().unwrap();
    journal.read(query, from).map_ok(number).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_history_of_some_types_is_that_of_all_without_the_others() {
    const COUNT: usize = 3_001;
    let (_bench, journal) = published(COUNT).await;
    let queries = [
        pattern("orders.#"),
        pattern("orders.order.*"),
        pattern("#.placed"),
        pattern("bills.bill.sent"),
        pattern("bills.bill.sent.#"),
        pattern("nothing.#"),
        pattern("#"),
        JournalQuery::all().types(["bills.bill.sent", "orders.order.placed", "bills.bill.sent"]),
        pattern("orders.#").types(["bills.bill.sent", "orders.order.shipped"]),
        pattern("#.placed").exchange("another"),
        pattern("#.placed").before(1_000),
    ];
    for query in queries {
        let matches = |number: &usize| {
            let key = TYPES[number % TYPES.len()];
            query.pattern.as_ref().is_none_or(|pattern| pattern.matches(key))
                && (query.types.is_empty() || query.types.iter().any(|known| known == key))
                && query.exchange.as_deref().is_none_or(|exchange| exchange == "e")
                && query.before.is_none_or(|before| *number as u64 + 1 < before)
        };
        let expected: Vec<usize> = (0..COUNT).filter(matches).collect();
        assert_eq!(read(&journal, query.clone(), Position::Start).await, expected, "{query:?}");
        for last in [0, 1, 700] {
            let begin = expected.len().saturating_sub(last);
            assert_eq!(read(&journal, query.clone(), Position::Last(last)).await, expected[begin..], "{query:?}");
        }
        let later: Vec<usize> = expected.iter().copied().filter(|number| *number >= 1_500).collect();
        assert_eq!(read(&journal, query.clone(), Position::Offset(1_501)).await, later, "{query:?}");
    }
}

#[tokio::test]
async fn a_history_that_finds_nothing_looks_at_nothing() {
    let (bench, journal) = published(8).await;
    // Whoever reads an entry of another type fails.
    bench.with_connection(|connection| {
        let changed = connection.execute("UPDATE messages SET exchange = x'ff' WHERE key LIKE 'orders%'", ());
        assert_eq!(changed.unwrap(), 6);
    });
    bench.settled().await;
    for position in [Position::Start, Position::Last(10)] {
        assert!(read(&journal, pattern("nothing.#"), position).await.is_empty());
        assert_eq!(read(&journal, pattern("bills.#"), position).await, [3, 7]);
        assert!(journal.read(JournalQuery::all(), position).try_collect::<Vec<_>>().await.is_err());
    }
}

#[tokio::test]
async fn with_very_many_types_every_entry_is_looked_at() {
    let bench = Bench::new().await;
    let publishes = (0..600).map(|number| {
        let key = format!("users.u{number}.seen");
        bench.bus.publish(Outgoing::new("e", &*key, Bytes::from(number.to_string())))
    });
    for published in futures_util::future::join_all(publishes).await {
        published.unwrap();
    }
    let journal = FileJournal::new(&bench.bus.engine, &bench.folder.path().join("bus.db"));
    assert_eq!(read(&journal, pattern("users.#"), Position::Start).await, (0..600).collect::<Vec<_>>());
    assert_eq!(read(&journal, pattern("users.*.seen"), Position::Last(2)).await, [598, 599]);
    assert_eq!(read(&journal, pattern("users.u7.#"), Position::Last(2)).await, [7]);
}
