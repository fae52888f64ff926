use std::{
    thread,
    time::{Duration, Instant},
};

use crate::HarnessError;

const INTERVAL: Duration = Duration::from_millis(20);

/// Polls `condition` until it holds, and fails with [`HarnessError::TooLate`] when the deadline has passed.
///
/// `what` names the condition in the error: “the queue is empty”. Blocks the thread.
pub fn until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) -> Result<(), HarnessError> {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() >= deadline {
            return Err(HarnessError::TooLate { what: what.to_owned(), waited: deadline, log: String::new() });
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}
