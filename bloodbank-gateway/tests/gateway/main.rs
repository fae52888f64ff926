//! The gateway on a real listener, asked by a real client.

mod dead_letters;
mod documents;
mod https;
mod mcp;
mod publishing;
mod requests;
mod security;
mod streams;
mod support;
mod webhooks;
