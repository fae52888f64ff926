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
    /// Publishes that failed, and of which nobody knows whether they arrived.
    unknown: usize,
    /// Publishes that nobody waited for.
    abandoned: usize,
    /// Publishes that reached no queue; there are always queues.
    unrouted: usize,
    /// How often the plain subscriber handled it.
    handled: HashMap<Uuid, u32>,
    /// How the subscriber with `dedupe` handled it.
    once: HashMap<Uuid, Vec<Once>>,
    /// How often the store of `dedupe` has begun to forget everything, and how often it was done with it.
    forgetting: u32,
    /// Its follow-up arrived.
    followed: HashSet<Uuid>,
    parked: HashSet<Uuid>,
    parked_once: HashSet<Uuid>,
    stream: Stream,
    /// What is left in the queues, where a child has looked.
    left: Option<usize>,
}

/// Events in large numbers, which are only counted.
#[derive(Default)]
struct Stream {
    sent: HashSet<Uuid>,
    confirmed: HashSet<Uuid>,
    counted: HashSet<Uuid>,
    /// How often one was counted that was counted before.
    again: usize,
    parked: HashSet<Uuid>,
}

#[derive(Clone, Copy)]
struct Once {
    /// It knew that it might not be the first.
    is_flagged: bool,
    /// An odd number: just then the store forgot.
    forgetting: u32,
}

/// What is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) handled: usize,
    pub(crate) once: usize,
    pub(crate) followed: usize,
    pub(crate) counted: usize,
}

impl Missing {
    pub(crate) fn total(&self) -> usize {
        self.handled + self.once + self.followed + self.counted
    }
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of a child: what happened, and to which event.
    pub(crate) fn note(&self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(which)) = (words.next(), words.next()) else { return };
        let mut books = self.books();
        if what == "left" {
            books.left = Some(which.parse().unwrap());
            return;
        }
        let Ok(id) = which.parse::<Uuid>() else { return };
        match what {
            "sent" => drop(books.sent.insert(id)),
            "confirmed" => drop(books.confirmed.insert(id)),
            "unknown" => books.unknown += 1,
            "unrouted" => books.unrouted += 1,
            "abandoned" => books.abandoned += 1,
            "handled" => *books.handled.entry(id).or_default() += 1,
            "once" => {
                let once = Once { is_flagged: words.next() == Some("flagged"), forgetting: books.forgetting };
                books.once.entry(id).or_default().push(once);
            }
            "followed" => drop(books.followed.insert(id)),
            "parked" => drop(match words.next() {
                Some("once") => books.parked_once.insert(id),
                Some("count") => books.stream.parked.insert(id),
                _ => books.parked.insert(id),
            }),
            "streamed" => drop(books.stream.sent.insert(id)),
            "stream-confirmed" => drop(books.stream.confirmed.insert(id)),
            "counted" => {
                let is_new = books.stream.counted.insert(id);
                books.stream.again += usize::from(!is_new);
            }
            other => panic!("a child says {other:?}"),
        }
    }

    /// The store of `dedupe` forgets everything: what was handled before may be handled again without a sign. Called
    /// before and after.
    pub(crate) fn forgets(&self) {
        self.books().forgetting += 1;
    }

    pub(crate) fn park(&self, [plain, once, stream]: [Vec<Uuid>; 3]) {
        let mut books = self.books();
        books.parked.extend(plain);
        books.parked_once.extend(once);
        books.stream.parked.extend(stream);
    }

    pub(crate) fn confirmed(&self) -> usize {
        self.books().confirmed.len()
    }

    pub(crate) fn confirmed_with_stream(&self) -> usize {
        let books = self.books();
        books.confirmed.len() + books.stream.confirmed.len()
    }

    pub(crate) fn unknown(&self) -> usize {
        self.books().unknown
    }

    pub(crate) fn handled(&self) -> usize {
        let books = self.books();
        books.handled.len().min(books.once.len())
    }

    /// What was left in the queues when a child last looked; asked again, it is unknown until one has looked again.
    pub(crate) fn take_left(&self) -> Option<usize> {
        self.books().left.take()
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
            counted: books.stream.missing(),
        }
    }

    /// Events that the subscriber with `dedupe` handled twice without a sign that it might.
    pub(crate) fn unflagged(&self) -> usize {
        let is_unflagged = |times: &Vec<Once>| {
            let (first, last) = (times[0], times[times.len() - 1]);
            let was_forgotten = first.forgetting != last.forgetting || last.forgetting % 2 == 1;
            times.len() > 1 && !was_forgotten && !times.iter().any(|time| time.is_flagged)
        };
        self.books().once.values().filter(|times| is_unflagged(times)).count()
    }

    pub(crate) fn unrouted(&self) -> usize {
        self.books().unrouted
    }

    /// Events that were handled and never sent. To be asked in the end: the line of the sender is written before it sends,
    /// but it may be read later.
    pub(crate) fn invented(&self) -> usize {
        let books = self.books();
        let handled = books.handled.keys().chain(books.once.keys()).filter(|id| !books.sent.contains(id)).count();
        handled + books.stream.counted.difference(&books.stream.sent).count()
    }

    pub(crate) fn summary(&self) -> String {
        let books = self.books();
        let again: u32 = books.handled.values().map(|times| times - 1).sum();
        let once_again: usize = books.once.values().map(|times| times.len() - 1).sum();
        format!(
            "sent {} confirmed {} unknown {} abandoned {} handled {} duplicated {again} (with dedupe {once_again})",
            books.sent.len(),
            books.confirmed.len(),
            books.unknown,
            books.abandoned,
            books.handled.len(),
        ) + &books.stream.summary()
    }

    pub(crate) fn parked(&self) -> [usize; 3] {
        let books = self.books();
        [books.parked.len(), books.parked_once.len(), books.stream.parked.len()]
    }
}

impl Stream {
    fn missing(&self) -> usize {
        self.confirmed.iter().filter(|id| !self.counted.contains(id) && !self.parked.contains(id)).count()
    }

    fn summary(&self) -> String {
        if self.sent.is_empty() {
            return String::new();
        }
        let (sent, confirmed, counted) = (self.sent.len(), self.confirmed.len(), self.counted.len());
        format!("; beside them sent {sent} confirmed {confirmed} handled {counted} duplicated {}", self.again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the suite would say of a bus that breaks its promises.
    #[test]
    fn every_kind_of_fault_is_seen() {
        let id = Uuid::new_v4();
        let told = |lines: &[&str]| {
            let ledger = Ledger::default();
            for line in lines {
                let (what, how) = line.split_once(' ').unwrap_or((line, ""));
                ledger.note(&format!("{what} {id} {how}"));
            }
            ledger
        };
        let all = ["sent", "confirmed", "handled", "once first", "followed"];
        let good = told(&all);
        assert_eq!((good.missing().total(), good.unflagged(), good.invented()), (0, 0, 0));
        for (without, missing) in [(2, (1, 0, 0)), (3, (0, 1, 0)), (4, (0, 0, 1))] {
            let lines: Vec<_> =
                all.iter().enumerate().filter(|(place, _)| *place != without).map(|(_, line)| *line).collect();
            let Missing { handled, once, followed, counted: _ } = told(&lines).missing();
            assert_eq!((handled, once, followed), missing, "{lines:?}");
        }
        assert_eq!(told(&["sent", "confirmed", "parked work", "parked once"]).missing().total(), 0);
        assert_eq!(told(&["streamed", "stream-confirmed", "counted"]).missing().total(), 0);
        assert_eq!(told(&["streamed", "stream-confirmed", "parked count"]).missing().total(), 0);
        assert_eq!(told(&["streamed", "stream-confirmed"]).missing().counted, 1);
        assert_eq!(told(&["handled"]).invented(), 1);
        assert_eq!(told(&["counted"]).invented(), 1);
        assert_eq!(told(&["once first", "once first"]).unflagged(), 1);
        assert_eq!(told(&["once first", "once flagged"]).unflagged(), 0);
        let forgetful = told(&["once first"]);
        forgetful.forgets();
        forgetful.forgets();
        forgetful.note(&format!("once {id} first"));
        assert_eq!(forgetful.unflagged(), 0, "the store forgot in between");
        assert_eq!(forgetful.invented(), 1);
    }
}
