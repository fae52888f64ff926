//! Signatures of webhooks.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use bloodbank_gateway::Problem;

/// Verifies the signature of a body: its HMAC-SHA256 in hexadecimal digits, with or without `sha256=` before them. The
/// comparison takes constant time.
pub(super) fn verify(
    secret: Option<&SecretString>,
    headers: &HeaderMap,
    header: &str,
    body: &[u8],
) -> Result<(), Problem> {
    let Some(secret) = secret else {
        return Err(Problem::not_found("this webhook is disabled; give the gateway its secret"));
    };
    let signed = || {
        let text = headers.get(header)?.to_str().ok()?;
        let mut signature = [0; 32];
        hex::decode_to_slice(text.strip_prefix("sha256=").unwrap_or(text), &mut signature).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
        mac.update(body);
        mac.verify_slice(&signature).ok()
    };
    signed().ok_or_else(|| Problem::unsigned(header))
}
