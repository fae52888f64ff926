use std::{
    thread,
    time::{Duration, Instant},
};

use crate::HarnessError;

const INTERVAL: Duration = Duration::from_millis(20);

/// Polls a condition until it holds, and fails with [`HarnessError::Timeout`] when the deadline has passed.
///
/// `name` names the condition in the error: “the queue is empty”. The call blocks its thread.
pub fn until(name: &str, deadline: Duration, mut condition: impl FnMut() -> bool) -> Result<(), HarnessError> {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() >= deadline {
            return Err(HarnessError::Timeout { condition: name.to_owned(), waited: deadline, log: String::new() });
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}
