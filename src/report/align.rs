//! Two sequences side by side: a longest common subsequence, and what lies between its members.

use std::ops::Range;

/// A part of an alignment, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// These two are alike.
    Pair(usize, usize),
    /// These have no like in the same place.
    Gap(Range<usize>, Range<usize>),
}

/// Cells of the table that are computed at most: beyond, what lies between a common beginning and a common end is one
/// gap.
const CELLS_MAX: usize = 4_000_000;

/// Aligns two sequences by likeness.
pub(super) fn align<T>(ours: &[T], theirs: &[T], is_like: impl Fn(&T, &T) -> bool) -> Vec<Step> {
    let (n, m) = (ours.len(), theirs.len());
    let head = ours
        .iter()
        .zip(theirs)
        .take_while(|(a, b)| is_like(a, b))
        .count();
    let tail = ours[head..]
        .iter()
        .rev()
        .zip(theirs[head..].iter().rev())
        .take_while(|(a, b)| is_like(a, b))
        .count();
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|i| (i, i)).collect();
    let (a, b) = (&ours[head..n - tail], &theirs[head..m - tail]);
    pairs.extend(
        common(a, b, is_like)
            .into_iter()
            .map(|(i, j)| (head + i, head + j)),
    );
    pairs.extend((0..tail).rev().map(|k| (n - 1 - k, m - 1 - k)));

    let mut steps = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (a, b) in pairs {
        if i < a || j < b {
            steps.push(Step::Gap(i..a, j..b));
        }
        steps.push(Step::Pair(a, b));
        (i, j) = (a + 1, b + 1);
    }
    if i < n || j < m {
        steps.push(Step::Gap(i..n, j..m));
    }
    steps
}

/// A longest common subsequence, as pairs of places.
fn common<T>(a: &[T], b: &[T], is_like: impl Fn(&T, &T) -> bool) -> Vec<(usize, usize)> {
    let columns = b.len() + 1;
    if (a.len() + 1).saturating_mul(columns) > CELLS_MAX {
        return Vec::new();
    }
    // Each cell: the length for the rest of `a` from its row and of `b` from its column on.
    let mut length = vec![0_u32; (a.len() + 1) * columns];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i * columns + j] = if is_like(&a[i], &b[j]) {
                length[(i + 1) * columns + j + 1] + 1
            } else {
                length[(i + 1) * columns + j].max(length[i * columns + j + 1])
            };
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if is_like(&a[i], &b[j]) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if length[(i + 1) * columns + j] >= length[i * columns + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(a: &str, b: &str) -> String {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let text = |s: &[char]| s.iter().collect::<String>();
        let show = |step: Step| match step {
            Step::Pair(i, j) => {
                assert_eq!(a[i], b[j]);
                a[i].to_string()
            }
            Step::Gap(i, j) => format!("({}|{})", text(&a[i]), text(&b[j])),
        };
        align(&a, &b, PartialEq::eq).into_iter().map(show).collect()
    }

    #[test]
    fn gaps_lie_where_the_sequences_differ() {
        assert_eq!(steps("", ""), "");
        assert_eq!(steps("abc", "abc"), "abc");
        assert_eq!(steps("abc", ""), "(abc|)");
        assert_eq!(steps("abcd", "abxd"), "ab(c|x)d");
        assert_eq!(steps("aab", "ab"), "a(a|)b");
        assert_eq!(steps("abcde", "axbdye"), "a(|x)b(c|)d(|y)e");
        assert_eq!(steps("xab", "aby"), "(x|)ab(|y)");
    }

    #[test]
    fn what_is_too_long_to_compare_is_one_gap() {
        let a: Vec<u32> = (0..3_000).collect();
        let b: Vec<u32> = (0..3_000)
            .map(|n| if n % 2 == 0 { n } else { n + 9_000 })
            .collect();
        let steps = align(&a, &b, PartialEq::eq);
        assert_eq!(steps, [Step::Pair(0, 0), Step::Gap(1..3_000, 1..3_000)]);
    }
}
