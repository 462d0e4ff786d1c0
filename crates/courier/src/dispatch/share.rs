//! How free slots are shared between priorities: by weights, so that a broadcast never starves a reminder, nor the
//! other way round.

/// One period of the pattern: 8 high, 3 normal, 1 bulk, spread out.
const PATTERN: [usize; 12] = [0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 2];

/// How many of `limit` slots each priority has first call on, when `turn` slots were shared out before.
#[must_use]
pub(super) fn shares(limit: usize, turn: usize) -> [usize; 3] {
    let mut shares = [0; 3];
    for n in 0..limit {
        shares[PATTERN[turn.wrapping_add(n) % PATTERN.len()]] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_priority_gets_its_weight_however_small_the_rounds() {
        let mut total = [0; 3];
        for turn in 0..120 {
            for (sum, share) in total.iter_mut().zip(shares(1, turn)) {
                *sum += share;
            }
        }
        assert_eq!(total, [80, 30, 10]);
        assert_eq!(shares(12, 5), [8, 3, 1]);
    }
}
