//! Outgoing webhooks: subscriptions by pattern to a URL.
//!
//! A webhook is a subscriber whose handler is an HTTP request: it has a queue of its own, an event that is not taken is tried again
//! with growing delays, and becomes a dead letter in the end, which can be redriven. Requests are signed by the Standard Webhooks
//! rules. They are declared in the file that `BLOODBANK_WEBHOOKS_FILE` names:
//!
//! ```
//! # let webhooks =
//! bloodbank_outgoing::OutgoingWebhooks::from_toml(r#"
//!     [[outgoing]]
//!     name = "n8n"
//!     url = "https://n8n.example.org/webhook/bloodbank"
//!     events = "fireflies.#"
//!     secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]      # the newest first; requests are signed with all of them
//! "#)?;
//! # assert_eq!(webhooks.len(), 1);
//! # Ok::<_, bloodbank_core::Error>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod declared;
mod duration;
mod entry;
mod file;
mod health;
mod request;
mod signature;
mod webhook;
mod webhooks;

pub use entry::Entry;
pub use file::WebhooksFile;
pub use request::{Answer, RequestError};
pub use webhook::Webhook;
pub use webhooks::OutgoingWebhooks;
