//! Random input for everything that reads what others wrote: envelopes, headers, patterns, settings, requests to the
//! gateway, calls of agents.
//!
//! Inputs are golden ones, mutated: bits flipped, parts cut, doubled, spliced with others, words of the language put in.
//! What leads to an answer that was not seen before is kept and mutated further. That is less than a fuzzer with the
//! compiler's help finds (`cargo fuzz`), and it runs with the other tests on the stable compiler.
//!
//! A target fails by a panic, also by one in a task of its own or one that a layer turns into an answer, and by asserting
//! what must hold of every input.
#![forbid(unsafe_code)]

mod driver;
mod mutate;
pub mod targets;

pub use driver::{Found, Report, fuzz, replay};
pub use mutate::Mutator;

/// What is given random input.
pub trait Target {
    /// How it is called on the command line.
    fn name(&self) -> &'static str;

    /// Inputs to begin with.
    fn corpus(&self) -> Vec<Vec<u8>>;

    /// Words that mean something to it.
    fn words(&self) -> &'static [&'static str];

    /// Reads an input, and panics when something does not hold. Answers that mean the same are equal.
    fn execute(&mut self, input: &[u8]) -> String;
}
