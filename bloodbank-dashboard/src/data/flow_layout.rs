//! A place for each event and each handler of a flow: from left to right as events follow each other.

use std::collections::{BTreeMap, BTreeSet};

use bloodbank_client::Flow;

/// What stands at a place: an event, or a handler by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    Event(&'static str),
    Handler(usize),
}

/// A flow that is laid out.
#[derive(Debug, Default)]
pub(crate) struct FlowLayout {
    /// The column and the row of everything that is drawn.
    pub(crate) places: BTreeMap<Spot, (usize, usize)>,
    /// The links from events to handlers, and from handlers to events.
    pub(crate) links: Vec<(Spot, Spot)>,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl FlowLayout {
    /// Lays out the events that somebody handles or publishes; the others stand alone, and are left out.
    pub(crate) fn of(flow: &Flow) -> Self {
        let mut links = Vec::new();
        for (number, handler) in flow.handlers.iter().enumerate() {
            links.extend(handler.inputs.iter().map(|key| (Spot::Event(key), Spot::Handler(number))));
            links.extend(handler.outputs.iter().map(|key| (Spot::Handler(number), Spot::Event(key))));
        }
        let spots: BTreeSet<Spot> = links.iter().flat_map(|(from, to)| [*from, *to]).collect();
        let columns = columns(&spots, &links);
        let mut layout = Self { links, ..Self::default() };
        let mut by_column: BTreeMap<usize, Vec<Spot>> = BTreeMap::new();
        for (spot, column) in &columns {
            by_column.entry(*column).or_default().push(*spot);
        }
        for (column, spots) in by_column {
            let mut spots: Vec<_> = spots.into_iter().map(|spot| (layout.wanted_row(spot), spot)).collect();
            // What nothing leads to comes last.
            spots.sort_unstable_by_key(|(wanted, spot)| (wanted.is_none(), *wanted, *spot));
            let mut next = 0;
            for (wanted, spot) in spots {
                let row = wanted.map_or(next, |wanted| wanted.max(next));
                layout.places.insert(spot, (column, row));
                next = row + 1;
            }
            layout.columns = layout.columns.max(column + 1);
            layout.rows = layout.rows.max(next);
        }
        layout
    }

    /// The row nearest to what leads to a spot; `None`: nothing does.
    fn wanted_row(&self, spot: Spot) -> Option<usize> {
        let before = self.links.iter().filter(|(_, to)| *to == spot).filter_map(|(from, _)| self.places.get(from));
        let rows: Vec<usize> = before.map(|(_, row)| *row).collect();
        (!rows.is_empty()).then(|| rows.iter().sum::<usize>() / rows.len())
    }
}

/// The column of everything: behind all that leads there. A link that closes a circle leads back.
fn columns(spots: &BTreeSet<Spot>, links: &[(Spot, Spot)]) -> BTreeMap<Spot, usize> {
    let mut next: BTreeMap<Spot, Vec<Spot>> = BTreeMap::new();
    let mut has_cause: BTreeSet<Spot> = BTreeSet::new();
    for (from, to) in links {
        next.entry(*from).or_default().push(*to);
        has_cause.insert(*to);
    }
    let order = topological(spots, &next, &has_cause);
    let places: BTreeMap<Spot, usize> = order.iter().enumerate().map(|(place, spot)| (*spot, place)).collect();
    let mut columns: BTreeMap<Spot, usize> = spots.iter().map(|spot| (*spot, 0)).collect();
    for spot in &order {
        let column = columns[spot] + 1;
        for to in next.get(spot).into_iter().flatten().filter(|to| places[to] > places[spot]) {
            if let Some(known) = columns.get_mut(to) {
                *known = column.max(*known);
            }
        }
    }
    columns
}

/// Everything with its causes first, as far as there is no circle.
fn topological(spots: &BTreeSet<Spot>, next: &BTreeMap<Spot, Vec<Spot>>, has_cause: &BTreeSet<Spot>) -> Vec<Spot> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let begin = spots.iter().filter(|spot| !has_cause.contains(spot)).chain(spots.iter());
    for first in begin {
        // A spot is put down when all that follows from it is.
        let mut open = vec![(*first, 0)];
        if !seen.insert(*first) {
            continue;
        }
        while let Some((spot, at)) = open.pop() {
            match next.get(&spot).and_then(|next| next.get(at)) {
                Some(to) => {
                    open.push((spot, at + 1));
                    if seen.insert(*to) {
                        open.push((*to, 0));
                    }
                }
                None => order.push(spot),
            }
        }
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_left_of_effects_and_circles_end() {
        let [a, b, c] = ["a", "b", "c"].map(Spot::Event);
        let [first, second] = [0, 1].map(Spot::Handler);
        let links = [(a, first), (first, b), (b, second), (second, c), (second, a)];
        let spots: BTreeSet<_> = [a, b, c, first, second].into();
        let columns = columns(&spots, &links);
        let of = |spot: Spot| columns[&spot];
        assert!(of(a) < of(first) && of(first) < of(b) && of(b) < of(second) && of(second) < of(c), "{columns:?}");
    }
}
