//! A fuzzer for everything that reads untrusted input: envelopes, headers, patterns, settings, requests to the gateway, and
//! MCP messages.
//!
//! Inputs are golden ones, mutated: bits flipped, parts cut, doubled, spliced with others, words of the language inserted.
//! An input that leads to a new kind of answer is kept and mutated further. A fuzzer with the compiler's help (`cargo fuzz`)
//! finds more; this one runs with the other tests on the stable compiler.
//!
//! A target fails by a panic, including one in a task of its own or one that a layer turns into an answer. It asserts what
//! must hold for every input.
#![forbid(unsafe_code)]

mod driver;
mod mutate;
pub mod targets;

pub use driver::{Crash, Report, fuzz, replay};
pub use mutate::Mutator;

/// A fuzz target: code that is executed with random input.
pub trait Target {
    /// The name of the target on the command line.
    fn name(&self) -> &'static str;

    /// The golden inputs, which are executed first and then mutated.
    fn corpus(&self) -> Vec<Vec<u8>>;

    /// The dictionary: words that mean something to the target.
    fn words(&self) -> &'static [&'static str];

    /// Executes the target with an input, and panics when a property does not hold. Answers that mean the same are equal.
    fn execute(&mut self, input: &[u8]) -> String;
}
