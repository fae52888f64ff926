//! Claim check: a large payload stays in a store, and the event carries a reference to it.
//!
//! ```
//! # use bloodbank_core::claim_check::{ClaimCheck, ClaimError, Large};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ClaimError> {
//! let cache = ClaimCheck::memory().threshold(1024);
//! // A field of an event. Text over the threshold goes into the store, shorter text stays where it is.
//! let body = Large::new(&cache, "trinote|423", "long ".repeat(1000)).await?;
//! assert!(matches!(body, Large::Claimed(_)));
//! assert_eq!(body.resolve(&cache).await?.len(), 5000);
//! # Ok(()) }
//! ```
//!
//! | store | reaches | forgets |
//! |---|---|---|
//! | [`MemoryClaims`](crate::store::memory::MemoryClaims) | this process | when its time is over, or the oldest when it is full |
//! | `RedisClaims` | every service with that Redis | when its time is over |
//! | [`FileClaims`](crate::store::FileClaims) | every process with that directory | when its time is over |
//!
//! A reference that cannot be resolved gives a [`ClaimError`], which says whether the payload is missing, expired, or
//! in another store.

mod check;
mod claim;
mod error;
mod large;

pub use check::ClaimCheck;
pub use claim::Claim;
pub use error::ClaimError;
pub use large::Large;
