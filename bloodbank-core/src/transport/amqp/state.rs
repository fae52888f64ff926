/// How a connection to the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// It is being made, for the first time or right after it was lost.
    Connecting,
    /// It works.
    Up,
    /// The broker is short of memory or disk and accepts no messages for now.
    Blocked,
    /// It is lost, and the broker does not answer; it is tried again and again.
    Down,
}
