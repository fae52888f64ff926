//! Depth-first order, in which the Python side lists chains: each event after those that were reached through it.

/// The nodes that are reached from node 0 within `max_depth` nodes of a path, each once, after what was reached through it;
/// `next` holds the neighbours of each node. A node that a long path reaches first is not looked at again on a shorter one, as on
/// the Python side.
pub(super) fn depth_first(next: &[Vec<usize>], max_depth: usize) -> Vec<usize> {
    let mut visited = vec![false; next.len()];
    let mut order = Vec::with_capacity(next.len());
    // The nodes of the path, each with the number of its neighbours that have been looked at. A stack of its own: a chain may be
    // deeper than that of the thread.
    let mut path = Vec::new();
    if let (Some(visited), true) = (visited.first_mut(), max_depth > 0) {
        *visited = true;
        path.push((0, 0));
    }
    while let Some((node, looked_at)) = path.last_mut() {
        let (node, neighbour) = (*node, next[*node].get(*looked_at).copied());
        *looked_at += 1;
        match neighbour {
            None => {
                order.push(node);
                path.pop();
            }
            Some(neighbour) if path.len() < max_depth && !visited[neighbour] => {
                visited[neighbour] = true;
                path.push((neighbour, 0));
            }
            Some(_) => {}
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_comes_after_what_it_leads_to() {
        // 0 → 1 → 2, 0 → 3 → 2
        let diamond = [vec![1, 3], vec![2], vec![], vec![2]];
        assert_eq!(depth_first(&diamond, 100), [2, 1, 3, 0]);
        assert_eq!(depth_first(&[vec![0, 1], vec![0]], 100), [1, 0], "cycles are cut");
        assert!(depth_first(&[], 100).is_empty());
    }

    #[test]
    fn the_start_is_the_first_step_of_the_depth() {
        let line = [vec![1], vec![2], vec![3], vec![]];
        for (depth, expected) in [(0, &[][..]), (1, &[0]), (2, &[1, 0]), (3, &[2, 1, 0]), (9, &[3, 2, 1, 0])] {
            assert_eq!(depth_first(&line, depth), expected, "{depth}");
        }
        // 0 → 1 → 2 → 3, and 0 → 2: the long path comes first, and ends before 3.
        let shortcut = [vec![1, 2], vec![2], vec![3], vec![]];
        assert_eq!(depth_first(&shortcut, 3), [2, 1, 0]);
    }
}
