//! Authorisation: tokens with patterns of routing keys, the access that an endpoint asks for, and the origin of requests.

mod access;
mod caller;
mod origin;
mod session;
mod tokens;

pub use access::Access;
pub use caller::{Caller, Patterns};
pub(crate) use origin::check_origin;
pub use session::Session;
pub use tokens::{Token, Tokens};
