use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Makes a name that nobody else uses on a shared server: `orders` becomes `orders-1f3a-18c2b0a4d2e1f00-0`.
///
/// Beside the prefix the name has only lower-case letters, digits and hyphens, so that it fits a queue, an exchange, one
/// word of a routing key, a Redis key and a file.
pub fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{:x}-{nanos:x}-{count}", process::id())
}
