//! Which of several targets gets a request (AWS "Routing algorithms").

use crate::role::config::Algorithm;

/// What is known of a target that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its share against that of the others: [`FULL`], or less while it starts slowly.
    pub(super) share: u64,
    /// Requests under way.
    pub(super) outstanding: usize,
    /// What round robin owes it: kept from one choice to the next.
    pub(super) credit: i128,
}

/// The share of a target that does not start slowly.
pub(super) const FULL: u64 = 1_000;

/// The index of the chosen one, whose and whose rivals' credits change. `random` is asked where chance decides. `None`
/// when there is nobody.
pub(super) fn choose(
    candidates: &mut [Candidate],
    algorithm: Algorithm,
    random: impl FnOnce() -> u64,
) -> Option<usize> {
    match algorithm {
        Algorithm::RoundRobin => in_turn(candidates, |_| true),
        Algorithm::LeastOutstandingRequests => {
            let least = candidates.iter().map(|c| c.outstanding).min()?;
            in_turn(candidates, |c| c.outstanding == least)
        }
        Algorithm::WeightedRandom => {
            let all: u64 = candidates.iter().map(|c| c.share).sum();
            pick(candidates.iter().map(|c| c.share), random() % all.max(1))
        }
    }
}

/// The index whose share `point` falls into, the shares being laid one after the other.
pub(super) fn pick(shares: impl Iterator<Item = u64>, point: u64) -> Option<usize> {
    let mut end = 0;
    let mut ends = shares.map(|share| {
        end += share;
        end
    });
    ends.position(|end| point < end)
}

/// Smooth weighted round robin: each gets its share as credit, whoever has most pays for all. With equal shares that is
/// one after the other; with unequal ones the turns of a small share lie far apart.
fn in_turn(candidates: &mut [Candidate], may: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let mut all = 0;
    let mut best: Option<usize> = None;
    for index in 0..candidates.len() {
        let candidate = &mut candidates[index];
        if !may(candidate) {
            continue;
        }
        all += i128::from(candidate.share);
        candidate.credit += i128::from(candidate.share);
        let credit = candidate.credit;
        if best.is_none_or(|b| credit > candidates[b].credit) {
            best = Some(index);
        }
    }
    candidates[best?].credit -= all;
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(shares: &[u64]) -> Vec<Candidate> {
        let of = |share: &u64| Candidate {
            share: *share,
            outstanding: 0,
            credit: 0,
        };
        shares.iter().map(of).collect()
    }

    fn turns(candidates: &mut [Candidate], algorithm: Algorithm, n: usize) -> Vec<usize> {
        (0..n)
            .filter_map(|_| choose(candidates, algorithm, || 0))
            .collect()
    }

    #[test]
    fn round_robin_is_one_after_the_other() {
        let mut three = candidates(&[FULL; 3]);
        let turns = turns(&mut three, Algorithm::RoundRobin, 7);
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(choose(&mut [], Algorithm::RoundRobin, || 0), None);
    }

    #[test]
    fn a_quarter_of_a_share_is_a_fifth_of_the_requests() {
        let mut two = candidates(&[FULL, FULL / 4]);
        let turns = turns(&mut two, Algorithm::RoundRobin, 10);
        assert_eq!(turns, [0, 0, 1, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn the_least_busy_is_chosen_and_equals_take_turns() {
        let mut three = candidates(&[FULL; 3]);
        three[0].outstanding = 2;
        let turns = turns(&mut three, Algorithm::LeastOutstandingRequests, 4);
        assert_eq!(turns, [1, 2, 1, 2]);
    }

    #[test]
    fn chance_falls_into_shares() {
        let picked = |point| pick([3, 0, 2].into_iter(), point);
        let all: Vec<_> = (0..6).map(picked).collect();
        assert_eq!(all, [Some(0), Some(0), Some(0), Some(2), Some(2), None]);
        let mut two = candidates(&[FULL; 2]);
        let high = choose(&mut two, Algorithm::WeightedRandom, || 1_999);
        assert_eq!(high, Some(1));
    }
}
