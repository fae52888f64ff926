//! Webhooks of Fireflies, GitHub and any other sender, as endpoints of a gateway.
//!
//! ```no_run
//! # use bloodbank_core::Bus;
//! # use bloodbank_gateway::{Gateway, GatewayError};
//! # use bloodbank_webhooks::Webhooks;
//! # fn example(bus: Bus) -> Result<Gateway, GatewayError> {
//! Ok(Gateway::builder(bus).endpoints(Webhooks::from_env()?.endpoints()).build())
//! # }
//! ```
//!
//! A webhook without a secret is switched off. The webhooks are a crate of their own because they link the events of those
//! domains, which not every gateway has.
//!
//! # Other senders
//!
//! A file in TOML, named by `BLOODBANK_WEBHOOKS_FILE`, declares webhooks of other senders; each is `POST /webhooks/{name}`:
//!
//! ```
//! # let webhooks = bloodbank_webhooks::Webhooks::default();
//! let webhooks = webhooks.from_toml(r##"
//!     [[webhook]]
//!     name = "stripe"
//!     signature = { scheme = "stripe", secret = "whsec_…" }
//!     event = "stripe.{type}"        # a member of the body, "{/data/object}" a JSON pointer, "{header:x-event}" a header
//!     id = "/id"                     # what makes two deliveries one event
//!
//!     [[webhook]]
//!     name = "shop"
//!     signature = { scheme = "hmac-sha256", secret = "…", header = "x-shopify-hmac-sha256", encoding = "base64" }
//!     event = "shop.{header:x-shopify-topic}"
//!     id = "header:x-shopify-webhook-id"
//! "##)?;
//! # Ok::<_, bloodbank_gateway::GatewayError>(())
//! ```
//!
//! The schemes are `standard-webhooks` (`secret`), `hmac-sha256` (`secret`, `header`, `prefix`, `encoding`: `hex` or
//! `base64`), `stripe` (`secret`), `gitlab-token` (`secret`) and `basic` (`user`, `password`). The body is the payload of the
//! event; where the program knows the event, the payload is checked against its schema.
#![forbid(unsafe_code)]

// Macros expand to `::bloodbank::…`, and this crate does not depend on the facade.
#[cfg(feature = "fireflies-api")]
extern crate bloodbank_core as bloodbank;

mod custom;
mod deliveries;
mod endpoints;
mod fireflies;
#[cfg(feature = "fireflies-api")]
mod fireflies_api;
mod github;
mod outcome;
mod receive;
mod sender;
mod signature;

use std::{fs, sync::OnceLock};

use bloodbank_core::{Bus, claim_check::ClaimCheck, settings::Reader};
use bloodbank_gateway::{Endpoint, Gateway, GatewayError, Problem};
use secrecy::SecretString;

use crate::custom::CustomWebhook;
#[cfg(feature = "fireflies-api")]
pub use crate::fireflies_api::{FirefliesApi, FirefliesApiError};

/// The largest body of a webhook by default.
const BODY_BYTES: usize = 1 << 20;

/// The configuration of the webhooks: the secrets that they are signed with. A webhook without a secret is switched off.
#[derive(Debug, Clone)]
pub struct Webhooks {
    fireflies: Option<SecretString>,
    fetches_transcripts: bool,
    github: Option<SecretString>,
    custom: Vec<CustomWebhook>,
    cache: OnceLock<ClaimCheck>,
    body_bytes: usize,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            fireflies: None,
            fetches_transcripts: false,
            github: None,
            custom: Vec::new(),
            cache: OnceLock::new(),
            body_bytes: BODY_BYTES,
        }
    }
}

impl Webhooks {
    /// Reads the secrets from the environment, `.env` and `bloodbank.toml`: `FIREFLIES_WEBHOOK_SECRET`,
    /// `GITHUB_WEBHOOK_SECRET`, and the webhooks of the file that `BLOODBANK_WEBHOOKS_FILE` names. With `FIREFLIES_API_KEY`
    /// transcripts are fetched.
    ///
    /// # Errors
    /// An error names the setting, or the place in the file, and the remedy.
    pub fn from_env() -> Result<Self, GatewayError> {
        let mut reader = Reader::load().map_err(|error| GatewayError::new(error.to_string()))?;
        let text = |value: &str| Ok(value.to_owned());
        let secret = |value: &str| Ok(SecretString::from(value));
        let webhooks = Self {
            fireflies: reader.get("FIREFLIES_WEBHOOK_SECRET", secret),
            fetches_transcripts: cfg!(feature = "fireflies-api") && reader.has("FIREFLIES_API_KEY"),
            github: reader.get("GITHUB_WEBHOOK_SECRET", secret),
            ..Self::default()
        };
        let file = reader.get("BLOODBANK_WEBHOOKS_FILE", text);
        reader.finish().map_err(|error| GatewayError::new(error.to_string()))?;
        let Some(file) = file else { return Ok(webhooks) };
        let unreadable = |error| GatewayError::new(format!("BLOODBANK_WEBHOOKS_FILE: {file} cannot be read: {error}"));
        let declared = fs::read_to_string(&file).map_err(unreadable)?;
        webhooks.from_toml(&declared).map_err(|error| GatewayError::new(format!("{file}: {error}")))
    }

    /// Adds the webhooks that this text declares.
    ///
    /// # Errors
    /// An error names the webhook and the remedy.
    pub fn from_toml(mut self, text: &str) -> Result<Self, GatewayError> {
        self.custom = custom::read(text)?;
        Ok(self)
    }

    /// Enables the webhook of Fireflies with this secret.
    #[must_use]
    pub fn fireflies(mut self, secret: impl Into<SecretString>) -> Self {
        self.fireflies = Some(secret.into());
        self
    }

    /// Makes a notification of Fireflies the command `fireflies.transcript.fetch` instead of the event
    /// `fireflies.transcript.available`. Some program must execute it: one that links this crate with the feature
    /// `fireflies-api`.
    #[must_use]
    pub fn fetch_transcripts(mut self) -> Self {
        self.fetches_transcripts = true;
        self
    }

    /// Enables the webhook of GitHub with this secret.
    #[must_use]
    pub fn github(mut self, secret: impl Into<SecretString>) -> Self {
        self.github = Some(secret.into());
        self
    }

    /// Sets the cache for the texts of pull requests; by default it is the one that the settings of the bus choose.
    #[must_use]
    pub fn cache(mut self, cache: ClaimCheck) -> Self {
        self.cache = OnceLock::from(cache);
        self
    }

    /// Sets the largest body in bytes; 1 MiB by default.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The endpoints of the webhooks: `POST /webhooks/{name}`, which check a signature instead of a token, the list of the
    /// last deliveries, their redelivery, and `GET /claims/{key}` for the texts that events refer to.
    #[must_use]
    pub fn endpoints(self) -> Vec<Endpoint<Gateway>> {
        endpoints::endpoints(self)
    }

    /// One cache for the process, because a cache in memory would be lost otherwise.
    fn cache_of(&self, bus: &Bus) -> Result<&ClaimCheck, Problem> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache);
        }
        let cache = ClaimCheck::from_settings(bus.settings())?;
        Ok(self.cache.get_or_init(|| cache))
    }
}
