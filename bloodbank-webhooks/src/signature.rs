//! Signatures of webhooks.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::STANDARD};
use bloodbank_gateway::Problem;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How far the clocks of sender and gateway may be apart, in seconds: older signatures may be recorded ones.
const TOLERANCE: u64 = 300;

/// The way in which a sender proves that a webhook is its own.
#[derive(Debug, Clone)]
pub(crate) enum Scheme {
    /// The Standard Webhooks rules: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    Standard(SecretString),
    /// The HMAC-SHA256 of the body in a header.
    Hmac { secret: SecretString, header: String, prefix: String, encoding: Encoding },
    /// `Stripe-Signature`: the HMAC-SHA256 of time and body.
    Stripe(SecretString),
    /// `X-Gitlab-Token`: the secret itself.
    GitlabToken(SecretString),
    /// `Authorization: Basic`: a user and a password.
    Basic { user: String, password: SecretString },
}

/// The text of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

impl Scheme {
    /// The signature of GitHub and Fireflies, in hexadecimal digits, with or without `sha256=` before them.
    pub(crate) fn hub(secret: SecretString, header: &str) -> Self {
        Self::Hmac { secret, header: header.to_owned(), prefix: "sha256=".to_owned(), encoding: Encoding::Hex }
    }

    /// The header that holds the proof.
    pub(crate) fn header(&self) -> &str {
        match self {
            Self::Standard(_) => "webhook-signature",
            Self::Hmac { header, .. } => header,
            Self::Stripe(_) => "stripe-signature",
            Self::GitlabToken(_) => "x-gitlab-token",
            Self::Basic { .. } => "authorization",
        }
    }

    /// Refuses a body that the sender has not signed. Comparisons take constant time.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        self.verify_at(headers, body, SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()))
    }

    fn verify_at(&self, headers: &HeaderMap, body: &[u8], now: u64) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let is_fresh = |time: &str| time.parse::<u64>().is_ok_and(|time| time.abs_diff(now) <= TOLERANCE);
        let is_right = || match self {
            Self::Standard(secret) => {
                let (id, time) = (text("webhook-id")?, text("webhook-timestamp").filter(|time| is_fresh(time))?);
                let key = secret.expose_secret();
                let key = STANDARD.decode(key.strip_prefix("whsec_").unwrap_or(key)).ok()?;
                let signed: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body];
                // During a rotation there are several.
                let mut signatures = text("webhook-signature")?.split(' ').filter_map(|one| one.strip_prefix("v1,"));
                signatures.any(|one| STANDARD.decode(one).is_ok_and(|one| is_mac(&key, &signed, &one))).then_some(())
            }
            Self::Hmac { secret, header, prefix, encoding } => {
                let value = text(header)?;
                let value = value.strip_prefix(prefix.as_str()).unwrap_or(value);
                let signature = match encoding {
                    Encoding::Hex => hex::decode(value).ok()?,
                    Encoding::Base64 => STANDARD.decode(value).ok()?,
                };
                is_mac(secret.expose_secret().as_bytes(), &[body], &signature).then_some(())
            }
            Self::Stripe(secret) => {
                let parts = || text("stripe-signature").into_iter().flat_map(|header| header.split(','));
                let values = |name: &'static str| {
                    parts()
                        .filter_map(move |part| part.trim().split_once('=').filter(|(key, _)| *key == name))
                        .map(|(_, value)| value)
                };
                let time = values("t").next().filter(|time| is_fresh(time))?;
                let signed: [&[u8]; 3] = [time.as_bytes(), b".", body];
                let key = secret.expose_secret().as_bytes();
                values("v1").any(|one| hex::decode(one).is_ok_and(|one| is_mac(key, &signed, &one))).then_some(())
            }
            Self::GitlabToken(secret) => is_same(secret.expose_secret(), text("x-gitlab-token")?).then_some(()),
            Self::Basic { user, password } => {
                let (scheme, value) = text("authorization")?.split_once(' ')?;
                let given = STANDARD.decode(value.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
                let wanted = format!("{user}:{}", password.expose_secret());
                is_same(&wanted, std::str::from_utf8(&given).ok()?).then_some(())
            }
        };
        is_right().ok_or_else(|| Problem::unsigned(self.header()))
    }
}

fn is_mac(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(signature).is_ok()
}

/// Hashes first, so that the time tells nothing about the length either.
fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| <[u8; 32]>::from(Sha256::digest(text.as_bytes())));
    one.ct_eq(&other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn hmac(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn standard_webhooks_are_verified() {
        let scheme = Scheme::Standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let body = br#"{"test": 2432232314}"#;
        let signed = headers(&[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ]);
        assert!(scheme.verify_at(&signed, body, 1_614_265_330 + 299).is_ok());
        assert!(scheme.verify_at(&signed, body, 1_614_265_330 + 301).is_err(), "a recorded one");
        assert!(scheme.verify_at(&signed, b"{}", 1_614_265_330).is_err());
    }

    #[test]
    fn stripe_signs_time_and_body() {
        let scheme = Scheme::Stripe("whsec_test".into());
        let signature = hex::encode(hmac(b"whsec_test", "1000.{}"));
        let signed = headers(&[("stripe-signature", &format!("t=1000,v1=00,v1={signature},v0=1"))]);
        assert!(scheme.verify_at(&signed, b"{}", 1_000).is_ok());
        assert!(scheme.verify_at(&signed, b"{}", 2_000).is_err());
        assert!(scheme.verify_at(&signed, b"[]", 1_000).is_err());
    }

    #[test]
    fn other_schemes_are_verified() {
        let base64 = Scheme::Hmac {
            secret: "hush".into(),
            header: "x-shopify-hmac-sha256".to_owned(),
            prefix: String::new(),
            encoding: Encoding::Base64,
        };
        let right = STANDARD.encode(hmac(b"hush", "{}"));
        assert!(base64.verify(&headers(&[("x-shopify-hmac-sha256", &right)]), b"{}").is_ok());
        assert!(base64.verify(&headers(&[("x-shopify-hmac-sha256", &right)]), b"[]").is_err());
        let gitlab = Scheme::GitlabToken("hush".into());
        assert!(gitlab.verify(&headers(&[("x-gitlab-token", "hush")]), b"{}").is_ok());
        assert!(gitlab.verify(&headers(&[("x-gitlab-token", "hus")]), b"{}").is_err());
        let basic = Scheme::Basic { user: "me".to_owned(), password: "hush".into() };
        let right = format!("Basic {}", STANDARD.encode("me:hush"));
        assert!(basic.verify(&headers(&[("authorization", &right)]), b"{}").is_ok());
        assert!(basic.verify(&headers(&[("authorization", "Basic bWU6")]), b"{}").is_err());
        assert!(basic.verify(&HeaderMap::new(), b"{}").is_err());
    }
}
