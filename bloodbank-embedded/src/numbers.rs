//! Maps by numbers that the engine itself counts up: no outsider chooses them, so one multiplication spreads them.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map by numbers that are counted up.
pub(super) type ByNumber<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

#[derive(Default, Clone, Copy)]
pub(super) struct Spread(u64);

/// 2⁶⁴ divided by the golden ratio: neighbours end far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }
}
