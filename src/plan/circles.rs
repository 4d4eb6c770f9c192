//! Which nodes of a graph lie on circles together, in time in proportion to the graph (Kosaraju's algorithm).

/// A number for each node: nodes of one number reach each other.
pub(super) fn circles(edges: &[Vec<usize>]) -> Vec<usize> {
    let count = edges.len();
    let mut back: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, all) in edges.iter().enumerate() {
        for to in all {
            back[*to].push(from);
        }
    }
    let mut ended = Vec::with_capacity(count);
    let mut seen = vec![false; count];
    for start in 0..count {
        // A stack of its own: a file may hold a chain of any length.
        let mut path = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((at, next)) = path.last_mut() {
            let Some(to) = edges[*at].get(*next).copied() else {
                ended.push(*at);
                path.pop();
                continue;
            };
            *next += 1;
            if !std::mem::replace(&mut seen[to], true) {
                path.push((to, 0));
            }
        }
    }
    let mut numbers: Vec<Option<usize>> = vec![None; count];
    for start in ended.into_iter().rev() {
        let mut todo = vec![start];
        while let Some(at) = todo.pop() {
            if numbers[at].is_none() {
                numbers[at] = Some(start);
                todo.extend(back[at].iter().filter(|from| numbers[**from].is_none()));
            }
        }
    }
    numbers.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_21_nodes_that_reach_each_other_have_one_number() {
        // 0 to 1 to 2 and back to 0; 3 to itself; 4 to 0, and 5 alone.
        let numbers = circles(&[vec![1], vec![2], vec![0, 3], vec![3], vec![0], vec![]]);
        assert!(numbers[0] == numbers[1] && numbers[1] == numbers[2], "{numbers:?}");
        for (one, other) in [(0, 3), (0, 4), (3, 4), (4, 5)] {
            assert_ne!(numbers[one], numbers[other], "{numbers:?}");
        }
        let chain: Vec<Vec<usize>> = (0..200_000).map(|at| vec![(at + 1) % 200_000]).collect();
        let numbers = circles(&chain);
        assert!(numbers.iter().all(|number| *number == numbers[0]));
    }
}
