//! Random choices that can be made again from their seed.

use uuid::Uuid;

/// SplitMix64: short, and good enough to choose words with.
pub(super) struct Random(u64);

impl Random {
    /// From the variable `BLOODBANK_CONFORMANCE_SEED`, otherwise a new seed; and the seed, for the message of a failure.
    pub(super) fn seeded() -> (Self, u64) {
        let given = std::env::var("BLOODBANK_CONFORMANCE_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
        (Self(seed), seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }

    /// One of them.
    pub(super) fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// In another order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(end - 1, self.below(end));
        }
    }
}
