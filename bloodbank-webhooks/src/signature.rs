//! Who signed a body.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use bloodbank_gateway::Problem;

/// Refuses a body that nobody with the secret has signed: HMAC-SHA256 in hexadecimal digits, `sha256=` in front of it or
/// not. Compared in constant time.
pub(super) fn verify(
    secret: Option<&SecretString>,
    headers: &HeaderMap,
    header: &str,
    body: &[u8],
) -> Result<(), Problem> {
    let Some(secret) = secret else {
        return Err(Problem::not_found("this webhook is switched off; give the gateway its secret"));
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
