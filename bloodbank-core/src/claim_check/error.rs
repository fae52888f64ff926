//! Errors of the claim check.

use std::fmt;

use crate::error::Error;
use crate::{settings::ClaimStoreKind, store::LONGEST_KEY};

/// An error of the claim check: a payload could not be put into a store, or taken out again.
#[derive(Debug)]
pub enum ClaimError {
    /// The store has nothing under this key: the payload was never there, was removed, or expired long ago.
    Missing {
        /// The key.
        key: String,
        /// The store.
        store: ClaimStoreKind,
    },
    /// The store still has the payload, but it has expired.
    Expired {
        /// The key.
        key: String,
        /// The store.
        store: ClaimStoreKind,
    },
    /// The reference names another kind of store than this one.
    OtherStore {
        /// The key.
        key: String,
        /// The kind of store that the reference names.
        wanted: ClaimStoreKind,
        /// The kind of this store.
        here: ClaimStoreKind,
    },
    /// The payload has more bytes than the limit.
    TooLarge {
        /// The key.
        key: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The key is empty, too long, or has control characters.
    BadKey {
        /// The key.
        key: String,
    },
    /// The payload is not UTF-8.
    NotText {
        /// The key.
        key: String,
    },
    /// The store failed.
    Store(Error),
}

impl ClaimError {
    /// Whether a retry can help: the same call may succeed later although nothing was changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Missing { .. }
            | Self::Expired { .. }
            | Self::OtherStore { .. }
            | Self::TooLarge { .. }
            | Self::BadKey { .. }
            | Self::NotText { .. } => false,
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, store: ClaimStoreKind::Memory } => {
                write!(f, "nothing is kept under {key:?} in the memory of this process; use redis or files to share it")
            }
            Self::Missing { key, store } => {
                write!(f, "nothing is kept under {key:?} in the {store} store; it is removed, or its time is over")
            }
            Self::Expired { key, store } => {
                write!(
                    f,
                    "the time of {key:?} in the {store} store is over; publish the event again, or keep it longer"
                )
            }
            Self::OtherStore { key, wanted, here } => {
                write!(f, "{key:?} is kept in a {wanted} store, and this is a {here} store; resolve it with that one")
            }
            Self::TooLarge { key, limit } => {
                write!(f, "what is kept under {key:?} has more than {limit} bytes; raise the limit of the claim check")
            }
            Self::BadKey { key } => {
                write!(f, "{key:?} is no key; use 1 to {LONGEST_KEY} bytes without control characters")
            }
            Self::NotText { key } => write!(f, "what is kept under {key:?} is no UTF-8; take it as bytes"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Missing { .. }
            | Self::Expired { .. }
            | Self::OtherStore { .. }
            | Self::TooLarge { .. }
            | Self::BadKey { .. }
            | Self::NotText { .. } => None,
        }
    }
}

impl From<Error> for ClaimError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
