//! Many executions, and what was found.

use std::{
    collections::HashSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank_harness::Random;

use crate::{Target, mutate::Mutator};

/// So many inputs that led to new answers are kept; later ones take the place of others.
const MOST_KEPT: usize = 4_000;

/// Of all threads, also those that somebody catches.
static PANICS: AtomicUsize = AtomicUsize::new(0);
static EXECUTING: AtomicUsize = AtomicUsize::new(0);
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// What was done.
#[derive(Debug)]
pub struct Report {
    /// The target.
    pub target: &'static str,
    /// The seed, to do it again.
    pub seed: u64,
    /// How many inputs it was given.
    pub executions: u64,
    /// How many kinds of answers there were.
    pub answers: usize,
    /// How long it took.
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

/// An input that must not be.
#[derive(Debug)]
pub struct Found {
    /// The target.
    pub target: &'static str,
    /// The seed that leads to it.
    pub seed: u64,
    /// After so many executions.
    pub execution: u64,
    /// The input.
    pub input: Vec<u8>,
    /// What the panic said.
    pub panic: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, execution, input, panic } = self;
        write!(
            f,
            "{target}: panic at execution {execution} with seed {seed}: {panic}\ninput: b\"{}\"",
            input.escape_ascii()
        )
    }
}

impl std::error::Error for Found {}

/// Gives the target so many inputs.
///
/// # Errors
/// The first input with which it panics.
pub fn fuzz(target: &mut dyn Target, executions: u64, seed: u64) -> Result<Report, Box<Found>> {
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
            .map_err(|panic| Box::new(Found { target: target.name(), seed, execution, input: input.clone(), panic }))?;
        if answers.insert(kind(&answer)) && place >= golden {
            if corpus.len() < golden + MOST_KEPT {
                corpus.push(input);
            } else {
                let place = golden + random.place(MOST_KEPT);
                corpus[place] = input;
            }
        }
    }
    Ok(Report { target: target.name(), seed, executions, answers: answers.len(), took: begun.elapsed() })
}

/// Gives it one input once more; returns the answer.
///
/// # Errors
/// When it panics.
pub fn replay(target: &mut dyn Target, input: &[u8]) -> Result<String, Box<Found>> {
    execute(target, input).map_err(|panic| {
        Box::new(Found { target: target.name(), seed: 0, execution: 0, input: input.to_owned(), panic })
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
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
    });
    let before = PANICS.load(Ordering::SeqCst);
    EXECUTING.fetch_add(1, Ordering::SeqCst);
    let done = panic::catch_unwind(AssertUnwindSafe(|| target.execute(input)));
    EXECUTING.fetch_sub(1, Ordering::SeqCst);
    if PANICS.load(Ordering::SeqCst) > before {
        return Err(LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone());
    }
    Ok(done.unwrap_or_default())
}

/// What is the same but for what was quoted and counted is the same kind of answer.
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
