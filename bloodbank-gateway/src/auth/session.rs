//! Sessions of people, who sign in with a token once and then show a cookie.
//!
//! No server keeps a session: a cookie names its token and its end, and is signed with the digest of the secret. Any gateway
//! with the same tokens accepts the cookie, also after a restart, and none does once the token is gone or has another secret.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::{caller::Caller, tokens::Tokens};

/// The time after which somebody who signed in must do so again.
const LIFETIME: TimeDelta = TimeDelta::hours(12);

/// A person who looks at the pages of a gateway.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Session {
    /// Who it is, and what they may do.
    pub caller: Caller,
    /// The token that every form must repeat, which pages of other origins cannot know (CSRF).
    pub csrf: String,
}

impl Tokens {
    /// The value of the cookie for whoever knows a secret; `None` for a wrong one.
    pub(crate) fn sign_in(&self, secret: &str, now: DateTime<Utc>) -> Option<String> {
        let caller = self.find(secret)?;
        let name = hex::encode(caller.name.as_deref().unwrap_or_default());
        let claims = format!("{name}.{}.{}", (now + LIFETIME).timestamp(), Uuid::new_v4().simple());
        let signature = hex::encode(self.key_of(&caller)?.chain_update(&claims).finalize().into_bytes());
        Some(format!("{claims}.{signature}"))
    }

    /// The session of whoever shows a cookie. Without tokens everybody has one.
    pub(crate) fn session(&self, cookie: Option<&str>, now: DateTime<Utc>) -> Option<Session> {
        if self.is_empty() {
            return Some(Session { caller: Caller::anyone(), csrf: csrf_of_everybody() });
        }
        let (claims, signature) = cookie?.rsplit_once('.')?;
        let mut parts = claims.split('.');
        let name = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        let end: i64 = parts.next()?.parse().ok()?;
        let caller = self.named(&name)?;
        let key = self.key_of(&caller)?;
        key.clone().chain_update(claims).verify_slice(&hex::decode(signature).ok()?).ok()?;
        if now.timestamp() >= end {
            return None;
        }
        let csrf = hex::encode(key.chain_update("csrf:").chain_update(claims).finalize().into_bytes());
        Some(Session { caller, csrf })
    }

    fn key_of(&self, caller: &Caller) -> Option<Hmac<Sha256>> {
        Hmac::new_from_slice(&self.digest_of(caller)?).ok()
    }
}

/// Where nobody signs in, the pages of this process still know something that no other page knows.
fn csrf_of_everybody() -> String {
    static CSRF: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().simple().to_string());
    CSRF.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r##"token = [
        { name = "ops.eu", secret = "sixteen-letters!", read = ["#"] },
        { name = "other", secret = "other-letters-16" },
    ]"##;

    #[test]
    fn a_cookie_is_good_until_its_end_and_as_long_as_its_token_is() {
        let tokens = Tokens::from_toml(TOML).unwrap();
        let now = Utc::now();
        assert_eq!(tokens.sign_in("sixteen-letters?", now), None);
        let cookie = tokens.sign_in("sixteen-letters!", now).expect("signed in");
        assert!(!cookie.contains("sixteen"), "{cookie}");
        let session = tokens.session(Some(&cookie), now).expect("a session");
        assert_eq!(session.caller.name.as_deref(), Some("ops.eu"));
        assert_eq!(tokens.session(Some(&cookie), now).expect("again").csrf, session.csrf);
        let later = tokens.sign_in("sixteen-letters!", now).expect("signed in");
        assert_ne!(tokens.session(Some(&later), now).expect("another").csrf, session.csrf);

        assert!(tokens.session(Some(&cookie), now + LIFETIME - TimeDelta::seconds(1)).is_some());
        assert!(tokens.session(Some(&cookie), now + LIFETIME).is_none(), "it has ended");
        let restarted = Tokens::from_toml(TOML).unwrap();
        assert!(restarted.session(Some(&cookie), now).is_some());
        let changed = Tokens::from_toml(&TOML.replace("sixteen-letters!", "another-secret-16")).unwrap();
        assert!(changed.session(Some(&cookie), now).is_none());
    }

    #[test]
    fn nobody_writes_a_cookie_of_their_own() {
        let tokens = Tokens::from_toml(TOML).unwrap();
        let now = Utc::now();
        let cookie = tokens.sign_in("other-letters-16", now).expect("signed in");
        let (claims, signature) = cookie.rsplit_once('.').expect("a signature");
        let (name, rest) = claims.split_once('.').expect("a name");
        let (_, nonce) = rest.split_once('.').expect("an end");
        let as_ops = format!("{}.{rest}.{signature}", hex::encode("ops.eu"));
        let longer = format!("{name}.{}.{nonce}.{signature}", i64::MAX);
        let cut = &cookie[..cookie.len() - 2];
        for forged in [&*as_ops, &longer, cut, claims, "", "....", "zz.1.2.3"] {
            assert!(tokens.session(Some(forged), now).is_none(), "{forged}");
        }
        assert!(tokens.session(None, now).is_none());
        assert!(Tokens::default().session(None, now).is_some(), "without tokens everybody may look");
    }
}
