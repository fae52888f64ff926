//! The settings of a gateway: `BLOODBANK_HTTP_…` in the environment, `.env` or `bloodbank.toml`.

use std::{str::FromStr, time::Duration};

use bloodbank_core::settings::Reader;

use crate::{auth::Tokens, builder::GatewayBuilder, error::GatewayError, limits::Limits};

impl GatewayBuilder {
    /// Takes the tokens ([`Tokens::from_env`]), the limits, the allowed origins and the public URL from the settings.
    ///
    /// # Errors
    /// An error names the setting and what it may be.
    pub fn load_settings(mut self) -> Result<Self, GatewayError> {
        let mut reader = Reader::load().map_err(|error| GatewayError::new(error.to_string()))?;
        let limits = limits(&mut reader);
        let texts = |text: &str| Ok(text.split(',').map(|text| text.trim().to_owned()).collect::<Vec<_>>());
        let origins = reader.get("BLOODBANK_HTTP_ORIGINS", texts).unwrap_or_default();
        let public_url = reader.get("BLOODBANK_HTTP_PUBLIC_URL", |text| Ok(text.to_owned()));
        reader.finish().map_err(|error| GatewayError::new(error.to_string()))?;
        self = self.tokens(Tokens::from_env()?).limits(limits);
        if let Some(url) = public_url {
            self = self.public_url(url);
        }
        Ok(origins.into_iter().filter(|origin| !origin.is_empty()).fold(self, Self::allow_origin))
    }
}

/// The limits of the settings; those that are not set have their defaults.
fn limits(reader: &mut Reader) -> Limits {
    let mut limits = Limits::default();
    let mut set = |name, limit: &mut usize| *limit = reader.get(name, number).unwrap_or(*limit);
    set("BLOODBANK_HTTP_BODY_BYTES", &mut limits.body_bytes);
    set("BLOODBANK_HTTP_BATCH_BYTES", &mut limits.batch_bytes);
    set("BLOODBANK_HTTP_BATCH_EVENTS", &mut limits.batch_events);
    set("BLOODBANK_HTTP_NESTING", &mut limits.nesting);
    set("BLOODBANK_HTTP_CONCURRENCY", &mut limits.concurrency);
    set("BLOODBANK_HTTP_STREAMS", &mut limits.streams);
    set("BLOODBANK_HTTP_MCP_SESSIONS", &mut limits.mcp_sessions);
    set("BLOODBANK_HTTP_RECENT_EVENTS", &mut limits.recent_events);
    set("BLOODBANK_HTTP_RECENT_BYTES", &mut limits.recent_bytes);
    let mut set = |name, limit: &mut Duration| {
        *limit = reader.get(name, number).map_or(*limit, Duration::from_secs);
    };
    set("BLOODBANK_HTTP_REQUEST_SECONDS", &mut limits.request_time);
    set("BLOODBANK_HTTP_HEADER_SECONDS", &mut limits.header_time);
    limits
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a number".to_owned())
}
