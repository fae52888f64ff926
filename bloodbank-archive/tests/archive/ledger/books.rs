//! What was confirmed, what the stream has, and whether the others have the same.

use std::{collections::HashMap, time::Instant};

use bloodbank::{
    Bus,
    prelude::*,
    store::{JournalEntries, JournalEntry, JournalQuery, Position},
};
use futures_util::{StreamExt, TryStreamExt};
use uuid::Uuid;

use super::world::Journals;

/// The publishes that wait for their confirm at once.
const WINDOW: usize = 200;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "ledger.page.booked")]
struct Booked {
    page: u64,
}

/// What was published, in its order.
#[derive(Default)]
pub(super) struct Confirmed {
    /// `None`: it was not confirmed, and may be in the stream or not.
    pages: Vec<Option<Page>>,
}

/// An event that was confirmed.
struct Page {
    id: Uuid,
    at: Instant,
    /// The broker said that no queue has received it.
    is_unrouted: bool,
}

/// From the moment at which the broker was killed to that at which it had its stream again.
pub(super) type Outage = (Instant, Instant);

impl Confirmed {
    pub(super) fn published(&self) -> u64 {
        self.pages.len() as u64
    }

    pub(super) async fn publish(&mut self, bus: &Bus, count: u64) {
        let first = self.published();
        let publishing = (first..first + count).map(|page| {
            let published = bus.publish(Booked { page }).into_future();
            async move { (published.await, Instant::now()) }
        });
        let mut receipts = futures_util::stream::iter(publishing).buffered(WINDOW);
        while let Some((receipt, at)) = receipts.next().await {
            let page =
                receipt.map(|receipt| Page { id: receipt.event_id, at, is_unrouted: receipt.unrouted == Some(true) });
            self.pages.push(page.ok());
        }
    }

    /// Checks that each confirmed event is in the stream, in the order of publishing, and nothing else.
    ///
    /// Not so around the death of the broker. What it was about to confirm is sent again: it may be there twice. And RabbitMQ takes
    /// and confirms events before it has its streams again: these are in none, and are counted.
    pub(super) fn check(&self, stream: &[Uuid], outages: &[Outage]) {
        let mut places: HashMap<Uuid, usize> = HashMap::with_capacity(stream.len());
        for (place, id) in stream.iter().enumerate() {
            places.entry(*id).or_insert(place);
        }
        let confirmed: Vec<&Page> = self.pages.iter().flatten().collect();
        let (twice, unconfirmed) = (stream.len() - places.len(), self.pages.len() - confirmed.len());
        let of_confirmed: Vec<usize> = confirmed.iter().filter_map(|page| places.get(&page.id).copied()).collect();
        let moved = of_confirmed.windows(2).filter(|pair| pair[1] < pair[0]).count();
        println!(
            "{} confirmed, {unconfirmed} not; the stream has {} entries, {twice} of them again, {moved} out of turn",
            confirmed.len(),
            stream.len()
        );
        let missing: Vec<&Page> = confirmed.into_iter().filter(|page| !places.contains_key(&page.id)).collect();
        let is_in_outage = |page: &Page| outages.iter().any(|(from, to)| (*from..*to).contains(&page.at));
        let (started, lost): (Vec<&Page>, Vec<&Page>) = missing.into_iter().partition(|page| is_in_outage(page));
        let unrouted = started.iter().filter(|page| page.is_unrouted).count();
        println!(
            "{} were confirmed by a broker without its stream; of {unrouted} it said that no queue received them",
            started.len()
        );
        assert_eq!(lost.len(), 0, "confirmed, and not in the stream");
        assert!(places.len() <= self.pages.len(), "the stream has what nobody published");
        if outages.is_empty() {
            assert_eq!((twice, moved, places.len()), (0, 0, self.pages.len()));
        }
    }
}

/// Compares the others with the stream, entry by entry, and returns the ids of the stream.
pub(super) async fn compare(journals: &Journals) -> Vec<Uuid> {
    let mut stream = journals.stream.read(JournalQuery::all(), Position::Start);
    let mut others: Vec<(String, JournalEntries)> = Vec::new();
    for journal in &journals.others {
        others.push((journal.describe(), journal.read(JournalQuery::all(), Position::Start)));
    }
    let mut ids = Vec::new();
    while let Some(entry) = stream.try_next().await.unwrap() {
        let wanted = line(&entry);
        for (name, other) in &mut others {
            let found = other.try_next().await.unwrap();
            let found = found.unwrap_or_else(|| panic!("{name} ends before the offset {}", entry.offset));
            assert_eq!(line(&found), wanted, "left: {name}, right: the stream");
        }
        ids.push(entry.event_id().unwrap());
    }
    for (name, other) in &mut others {
        assert!(other.try_next().await.unwrap().is_none(), "{name} has more than the stream");
    }
    ids
}

/// Everything that an entry is.
fn line(entry: &JournalEntry) -> (u64, String) {
    (entry.offset, serde_json::to_string(entry).unwrap())
}
