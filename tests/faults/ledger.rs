//! What was sent, confirmed, handled and parked.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

/// What was sent, confirmed, handled and parked.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    sent: HashSet<Uuid>,
    confirmed: HashSet<Uuid>,
    /// Publishes of which nobody knows whether they arrived.
    unknown: usize,
    /// How often the plain subscriber handled it.
    handled: HashMap<Uuid, u32>,
    /// How the subscriber with `dedupe` handled it: whether it knew each time that it might not be the first.
    once: HashMap<Uuid, Vec<bool>>,
    /// Its follow-up arrived.
    followed: HashSet<Uuid>,
    parked: HashSet<Uuid>,
    parked_once: HashSet<Uuid>,
    invented: Vec<Uuid>,
}

/// What is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) handled: usize,
    pub(crate) once: usize,
    pub(crate) followed: usize,
}

impl Missing {
    pub(crate) fn total(&self) -> usize {
        self.handled + self.once + self.followed
    }
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of a child: what happened, and to which event.
    pub(crate) fn note(&self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(id)) = (words.next(), words.next().and_then(|id| id.parse::<Uuid>().ok())) else {
            return;
        };
        let mut books = self.books();
        match what {
            "sent" => drop(books.sent.insert(id)),
            "confirmed" => drop(books.confirmed.insert(id)),
            "unknown" => books.unknown += 1,
            "handled" => {
                *books.handled.entry(id).or_default() += 1;
                // The line of the sender is written before it is sent, but it may be read later: looked at in the end.
                books.invented.push(id);
            }
            "once" => books.once.entry(id).or_default().push(words.next() == Some("flagged")),
            "followed" => drop(books.followed.insert(id)),
            other => panic!("a child says {other:?}"),
        }
    }

    pub(crate) fn park(&self, plain: impl IntoIterator<Item = Uuid>, once: impl IntoIterator<Item = Uuid>) {
        let mut books = self.books();
        books.parked.extend(plain);
        books.parked_once.extend(once);
    }

    pub(crate) fn confirmed(&self) -> usize {
        self.books().confirmed.len()
    }

    pub(crate) fn handled(&self) -> usize {
        let books = self.books();
        books.handled.len().min(books.once.len())
    }

    pub(crate) fn missing(&self) -> Missing {
        let books = self.books();
        let count = |is_missing: &dyn Fn(&Uuid) -> bool| books.confirmed.iter().filter(|id| is_missing(id)).count();
        Missing {
            handled: count(&|id| !books.handled.contains_key(id) && !books.parked.contains(id)),
            once: count(&|id| !books.once.contains_key(id) && !books.parked_once.contains(id)),
            followed: count(&|id| {
                books.handled.contains_key(id) && !books.followed.contains(id) && !books.parked.contains(id)
            }),
        }
    }

    /// Events that the subscriber with `dedupe` handled twice without a sign that it might.
    pub(crate) fn unflagged(&self) -> usize {
        self.books().once.values().filter(|times| times.len() > 1 && !times.contains(&true)).count()
    }

    /// Events that were handled and never sent.
    pub(crate) fn invented(&self) -> usize {
        let books = self.books();
        books.invented.iter().filter(|id| !books.sent.contains(id)).count()
    }

    pub(crate) fn summary(&self) -> String {
        let books = self.books();
        let again: u32 = books.handled.values().map(|times| times - 1).sum();
        let once_again: usize = books.once.values().map(|times| times.len() - 1).sum();
        format!(
            "sent {} confirmed {} unknown {} handled {} duplicated {again} (with dedupe {once_again})",
            books.sent.len(),
            books.confirmed.len(),
            books.unknown,
            books.handled.len(),
        )
    }

    pub(crate) fn parked(&self) -> (usize, usize) {
        let books = self.books();
        (books.parked.len(), books.parked_once.len())
    }
}
