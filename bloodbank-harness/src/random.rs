//! Choices that can be repeated: SplitMix64 from a seed.

use std::{env, thread::sleep, time::Duration};

/// Choices that can be repeated, from a seed.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// From the seed in an environment variable, otherwise from a new one.
    ///
    /// # Panics
    ///
    /// When the variable holds no number.
    pub fn from_variable(variable: &str) -> Self {
        let given = env::var(variable).ok();
        let given = given.map(|seed| seed.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{seed}`")));
        Self::new(given.unwrap_or_else(Self::new_seed))
    }

    /// Another each time.
    pub fn new_seed() -> u64 {
        use std::hash::{BuildHasher, RandomState};
        // Short enough to be typed again.
        RandomState::new().hash_one(0) >> 32
    }

    /// What it began with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A place in something of this length.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// Waits for less than so many milliseconds.
    pub fn pause(&mut self, milliseconds: u64) {
        sleep(Duration::from_millis(self.below(milliseconds)));
    }

    /// One of them.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    /// In another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.place(last + 1));
        }
    }
}
