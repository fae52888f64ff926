//! No call to the broker waits without end.

use std::time::Duration;

use crate::fault::Fault;

/// A call that the broker answers at once when it is well.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// How long closing one thing may take.
pub(super) const CLOSING: Duration = Duration::from_secs(2);
/// How long the last acknowledgements may take: what the broker does not hear of is delivered again.
pub(super) const LAST_ACKS: Duration = Duration::from_secs(4);

/// Awaits an answer of the broker.
pub(super) async fn within<T>(deadline: Duration, call: impl Future<Output = lapin::Result<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map_err(Fault::from),
        Err(_) => Err(Fault::Silence),
    }
}
