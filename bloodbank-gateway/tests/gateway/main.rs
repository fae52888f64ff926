//! The gateway on a real listener, asked by a real client.

mod publishing;
mod requests;
mod security;
mod support;
