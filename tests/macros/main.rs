//! What the macros expand to. Each file declares events of a domain of its own: one program has one registry, and no key twice.
#![allow(missing_docs, unreachable_pub, reason = "visibility is part of what is tested")]

mod event;
mod generated;
mod handlers;
mod versions;
