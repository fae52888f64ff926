//! The fuzzing loop: many executions of a target, and the crash that they find.

use std::{
    collections::HashSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{self, AssertUnwindSafe},
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank_harness::Random;
use parking_lot::Mutex;

use crate::{Target, mutate::Mutator};

/// The number of inputs that led to new answers and are kept; later ones replace others.
const MAX_FOUND_INPUTS: usize = 4_000;

/// The number of panics of all threads, including those that somebody catches.
static PANICS: AtomicUsize = AtomicUsize::new(0);
static EXECUTING: AtomicUsize = AtomicUsize::new(0);
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// The figures of a run that found no crash.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The name of the target.
    pub target: &'static str,
    /// The seed, with which the run can be repeated.
    pub seed: u64,
    /// The number of inputs.
    pub executions: u64,
    /// The number of kinds of answers.
    pub answers: usize,
    /// The duration of the run.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, executions, answers, took } = self;
        let rate = f64::from(u32::try_from(*executions).unwrap_or(u32::MAX)) / took.as_secs_f64();
        write!(
            f,
            "{target}: {executions} executions with seed {seed} in {took:.1?} ({rate:.0}/s), {answers} kinds of answers, no panic"
        )
    }
}

/// An input with which a target panics.
#[derive(Debug)]
#[non_exhaustive]
pub struct Crash {
    /// The name of the target.
    pub target: &'static str,
    /// The seed of the run that found the input.
    pub seed: u64,
    /// The number of executions before this one.
    pub execution: u64,
    /// The input.
    pub input: Vec<u8>,
    /// The message of the panic.
    pub panic: String,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, execution, input, panic } = self;
        write!(
            f,
            "{target}: panic at execution {execution} with seed {seed}: {panic}\ninput: b\"{}\"",
            input.escape_ascii()
        )
    }
}

impl std::error::Error for Crash {}

/// Executes a target with this number of inputs.
///
/// # Errors
/// The first input with which the target panics.
pub fn fuzz(target: &mut dyn Target, executions: u64, seed: u64) -> Result<Report, Box<Crash>> {
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let (mutator, mut corpus) = (Mutator::new(target.words()), target.corpus());
    let golden = corpus.len();
    let mut answers = HashSet::new();
    for execution in 0..executions {
        let place = usize::try_from(execution).unwrap_or(usize::MAX);
        // The golden ones as they are, first.
        let input = if place < golden { corpus[place].clone() } else { mutator.mutate(&corpus, &mut random) };
        let answer = execute(target, &input)
            .map_err(|panic| Box::new(Crash { target: target.name(), seed, execution, input: input.clone(), panic }))?;
        if answers.insert(kind(&answer)) && place >= golden {
            if corpus.len() < golden + MAX_FOUND_INPUTS {
                corpus.push(input);
            } else {
                let place = golden + random.place(MAX_FOUND_INPUTS);
                corpus[place] = input;
            }
        }
    }
    Ok(Report { target: target.name(), seed, executions, answers: answers.len(), took: begun.elapsed() })
}

/// Executes a target with one input and returns its answer.
///
/// # Errors
/// The input, if the target panics with it.
pub fn replay(target: &mut dyn Target, input: &[u8]) -> Result<String, Box<Crash>> {
    execute(target, input).map_err(|panic| {
        Box::new(Crash { target: target.name(), seed: 0, execution: 0, input: input.to_owned(), panic })
    })
}

fn execute(target: &mut dyn Target, input: &[u8]) -> Result<String, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if EXECUTING.load(Ordering::SeqCst) == 0 {
                return usual(panic);
            }
            PANICS.fetch_add(1, Ordering::SeqCst);
            *LAST_PANIC.lock() = panic.to_string();
        }));
    });
    let before = PANICS.load(Ordering::SeqCst);
    EXECUTING.fetch_add(1, Ordering::SeqCst);
    let done = panic::catch_unwind(AssertUnwindSafe(|| target.execute(input)));
    EXECUTING.fetch_sub(1, Ordering::SeqCst);
    if PANICS.load(Ordering::SeqCst) > before {
        return Err(LAST_PANIC.lock().clone());
    }
    Ok(done.unwrap_or_default())
}

/// A hash of the kind of an answer: answers of one kind differ only in quoted texts and in numbers.
fn kind(answer: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut quote = None;
    let mut letters = answer.chars().take(400);
    while let Some(letter) = letters.next() {
        match quote {
            Some(_) if letter == '\\' => drop(letters.next()),
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '`' | '"') => quote = Some(letter),
            None if letter.is_ascii_digit() => {}
            None => letter.hash(&mut hasher),
        }
    }
    hasher.finish()
}
