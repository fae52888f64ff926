//! Timeouts of calls to the broker: none of them waits without end.

use std::time::Duration;

use crate::broker_fault::BrokerFault;

/// The time for a call that a healthy broker answers at once.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for closing one channel or connection.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for the final acknowledgements of a channel: a delivery whose acknowledgement is not written is delivered again.
pub(super) const FINAL_ACKS_TIMEOUT: Duration = Duration::from_secs(4);

/// Awaits the broker's answer to a call, for at most `timeout`.
pub(super) async fn with_timeout<T>(
    timeout: Duration,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerFault> {
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => answer.map_err(BrokerFault::from),
        Err(_) => Err(BrokerFault::Unresponsive),
    }
}
