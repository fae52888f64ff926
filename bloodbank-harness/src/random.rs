use std::{env, thread::sleep, time::Duration};

/// A random generator that knows its seed, so that a failed test can print it and be repeated.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    rng: fastrand::Rng,
}

impl Random {
    /// Makes a generator from this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Makes a generator from the seed in an environment variable, or from a new seed where the variable is not set.
    ///
    /// # Panics
    ///
    /// When the variable does not hold a number.
    pub fn from_variable(variable: &str) -> Self {
        let given = env::var(variable).ok();
        let given = given.map(|seed| seed.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{seed}`")));
        Self::new(given.unwrap_or_else(Self::new_seed))
    }

    /// A new seed, short enough to be typed again.
    pub fn new_seed() -> u64 {
        u64::from(fastrand::u32(..))
    }

    /// The seed that the generator was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A random number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.u64(..bound)
    }

    /// A random index into something of this length, which is not zero.
    pub fn place(&mut self, length: usize) -> usize {
        self.rng.usize(..length)
    }

    /// Blocks the thread for a random time below this number of milliseconds.
    pub fn pause(&mut self, milliseconds: u64) {
        sleep(Duration::from_millis(self.below(milliseconds)));
    }

    /// A random item of a slice that is not empty.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    /// Puts the items in a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.rng.shuffle(items);
    }
}
