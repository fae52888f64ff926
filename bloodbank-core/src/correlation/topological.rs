//! Topological order: causes before effects, also where foreign data has cycles.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The nodes `0..count`, every cause before its effects; among the nodes without open causes, the smallest first. A
/// cycle is cut at its smallest node.
pub(super) fn topological(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut effects = vec![Vec::new(); count];
    let mut open_causes = vec![0_usize; count];
    for &(cause, effect) in edges.iter().filter(|(cause, effect)| cause != effect) {
        effects[cause].push(effect);
        open_causes[effect] += 1;
    }
    let mut free: BinaryHeap<_> = (0..count).filter(|&node| open_causes[node] == 0).map(Reverse).collect();
    let mut placed = vec![false; count];
    let mut order = Vec::with_capacity(count);
    let mut smallest = 0;
    while order.len() < count {
        let node = match free.pop() {
            Some(Reverse(node)) => node,
            None => {
                while placed[smallest] {
                    smallest += 1;
                }
                smallest
            }
        };
        if std::mem::replace(&mut placed[node], true) {
            continue;
        }
        order.push(node);
        for &effect in &effects[node] {
            open_causes[effect] -= 1;
            if open_causes[effect] == 0 && !placed[effect] {
                free.push(Reverse(effect));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_first() {
        assert_eq!(topological(4, &[(3, 1), (1, 0), (3, 2), (2, 0)]), [3, 1, 2, 0]);
        assert_eq!(topological(3, &[]), [0, 1, 2]);
    }

    #[test]
    fn cycles_and_self_links_are_cut() {
        assert_eq!(topological(3, &[(0, 1), (1, 2), (2, 0)]), [0, 1, 2]);
        assert_eq!(topological(2, &[(0, 0), (1, 0), (1, 0)]), [1, 0]);
        assert_eq!(topological(4, &[(3, 2), (2, 1), (1, 2)]), [0, 3, 1, 2]);
    }
}
