//! Who may do what: tokens with patterns, and where a browser's request may come from.

mod authenticate;
mod caller;
mod origin;
mod tokens;

pub(crate) use authenticate::authenticate;
pub use caller::{Caller, Patterns};
pub(crate) use origin::check_origin;
pub use tokens::{Token, Tokens};
