//! Every example runs, and prints what it is about; and the README shows what there is.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod domains;
mod numbered;
mod readme;
