//! A list without repetitions that grows.

use std::{collections::HashSet, hash::Hash};

/// Adds to a list what it lacks. What it has is looked through once, however often something is added.
pub(super) struct Distinct<'a, T> {
    list: &'a mut Vec<T>,
    known: HashSet<T>,
}

impl<'a, T: Clone + Eq + Hash> Distinct<'a, T> {
    pub(super) fn new(list: &'a mut Vec<T>) -> Self {
        let known = list.iter().cloned().collect();
        Self { list, known }
    }

    pub(super) fn add(&mut self, others: Vec<T>) {
        self.list.extend(others.into_iter().filter(|other| self.known.insert(other.clone())));
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, hash::Hasher, rc::Rc};

    use super::*;

    /// Counts how often it is looked at.
    #[derive(Clone)]
    struct Counting(usize, Rc<Cell<usize>>);

    impl PartialEq for Counting {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Counting {}

    impl Hash for Counting {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.1.set(self.1.get() + 1);
            self.0.hash(state);
        }
    }

    #[test]
    fn each_is_kept_once_and_adding_many_does_not_look_at_those_before_again() {
        let count = Rc::new(Cell::new(0));
        let mut list = vec![Counting(0, Rc::clone(&count))];
        let mut distinct = Distinct::new(&mut list);
        for number in 1..1_000 {
            distinct.add([0, number, number - 1].map(|number| Counting(number, Rc::clone(&count))).into());
        }
        let numbers: Vec<usize> = list.iter().map(|counting| counting.0).collect();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
        // Three are added each time; a table that grows looks at all of its own again, which doubles the most.
        assert!(count.get() < 3 * 1_000 * 3, "{} looks", count.get());
    }
}
