//! The tokens that a gateway knows.

use std::{fs, iter, path::Path, sync::Arc};

use bloodbank_core::{routing::BindingPattern, settings::Reader};
use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::caller::{Caller, Patterns};
use crate::error::GatewayError;

/// The length of the shortest secret that is accepted: 96 random bits in base64.
const SHORTEST_SECRET: usize = 16;

/// A token: a secret, and what its owner may publish and read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Token {
    /// The name of the token, which stands in the source of events and in logs.
    pub name: String,
    /// The secret, which a client sends after `Bearer`.
    pub secret: SecretString,
    /// The keys that the owner may publish.
    pub publish: Patterns,
    /// The keys that the owner may read.
    pub read: Patterns,
    /// The only `app` that the source of the owner's events may have; `None`: any.
    pub source: Option<String>,
    /// Further secrets of the same token, so that clients can change from one to another.
    pub further_secrets: Vec<SecretString>,
    /// The time from which on the token is no longer good; `None`: never.
    pub expires: Option<DateTime<Utc>>,
}

impl Token {
    /// Makes a token that may neither publish nor read anything yet.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        let (publish, read) = (Patterns::nothing(), Patterns::nothing());
        let (further_secrets, expires) = (Vec::new(), None);
        Self { name: name.into(), secret: secret.into(), publish, read, source: None, further_secrets, expires }
    }

    /// Sets the keys that the owner may publish.
    #[must_use]
    pub fn publish(mut self, patterns: Patterns) -> Self {
        self.publish = patterns;
        self
    }

    /// Sets the keys that the owner may read.
    #[must_use]
    pub fn read(mut self, patterns: Patterns) -> Self {
        self.read = patterns;
        self
    }

    /// Adds a further secret, with which the token is as good as with the first.
    #[must_use]
    pub fn further_secret(mut self, secret: impl Into<SecretString>) -> Self {
        self.further_secrets.push(secret.into());
        self
    }

    /// Sets the time from which on the token is no longer good.
    #[must_use]
    pub fn expires(mut self, time: DateTime<Utc>) -> Self {
        self.expires = Some(time);
        self
    }

    /// Binds the token to a source: it is the `app` in the source of all events of the owner, and an event that names
    /// another one is refused.
    #[must_use]
    pub fn source(mut self, app: impl Into<String>) -> Self {
        self.source = Some(app.into());
        self
    }
}

/// The tokens of a gateway. Without tokens everybody may do everything.
///
/// Tokens are written as TOML, in a file or in a variable:
///
/// ```toml
/// [[token]]
/// name = "n8n"
/// secret = "0Yh2vXk1…"
/// publish = ["fireflies.#", "artifact.*"]   # default: nothing
/// read = ["#"]                              # default: nothing
/// source = "n8n"                            # the only source of its events; default: what each event says
/// expires = 2027-01-01T00:00:00Z            # from then on it is no longer good; default: never
/// ```
///
/// `secrets = ["new", "old"]` in place of `secret` lets clients change from one to another. All clones share one set, which
/// [`Tokens::replace`] replaces while the gateway serves.
#[derive(Clone, Default)]
pub struct Tokens(Arc<RwLock<Arc<[StoredToken]>>>);

struct StoredToken {
    /// The hash of the secret: of the same length for every secret, and no secret stays in memory.
    digest: [u8; 32],
    caller: Caller,
    expires: Option<DateTime<Utc>>,
}

impl StoredToken {
    fn is_good(&self) -> bool {
        self.expires.is_none_or(|expires| Utc::now() < expires)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    secret: Option<String>,
    #[serde(default)]
    secrets: Vec<String>,
    expires: Option<Time>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    read: Vec<String>,
    source: Option<String>,
}

/// A time as TOML has it, or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Toml(toml::value::Datetime),
    Text(String),
}

impl Tokens {
    /// Makes a set of tokens.
    ///
    /// # Errors
    /// An error says that a secret is shorter than 16 bytes or has characters other than visible ASCII, or that two tokens
    /// have the same name or secret.
    pub fn new(tokens: impl IntoIterator<Item = Token>) -> Result<Self, GatewayError> {
        let mut known: Vec<StoredToken> = Vec::new();
        for token in tokens {
            let Token { name, secret, publish, read, source, further_secrets, expires } = token;
            if known.iter().any(|other| other.caller.name.as_deref() == Some(&name)) {
                return Err(doubled(&name));
            }
            let caller = Caller {
                name: Some(name.as_str().into()),
                publish,
                read,
                source: source.map(Into::into),
                address: None,
            };
            for secret in iter::once(&secret).chain(&further_secrets) {
                let digest = checked(&name, secret.expose_secret())?;
                if known.iter().any(|other| other.digest == digest) {
                    return Err(doubled(&name));
                }
                known.push(StoredToken { digest, caller: caller.clone(), expires });
            }
        }
        Ok(Self(Arc::new(RwLock::new(known.into()))))
    }

    /// Replaces the tokens of this set and of all its clones: a gateway that serves uses the new ones from the next request on.
    ///
    /// # Errors
    /// An error says that there are no new tokens: without any, everybody may do everything.
    pub fn replace(&self, tokens: &Self) -> Result<(), GatewayError> {
        if tokens.is_empty() && !self.is_empty() {
            return Err(GatewayError::new(
                "there are no tokens any more, and without tokens everybody may do everything; start the gateway anew if that is meant",
            ));
        }
        let new = tokens.known();
        *self.0.write() = new;
        Ok(())
    }

    fn known(&self) -> Arc<[StoredToken]> {
        Arc::clone(&self.0.read())
    }

    /// Reads tokens from TOML.
    ///
    /// # Errors
    /// An error says that the text does not have the form shown above; its message shows no secret.
    pub fn from_toml(text: &str) -> Result<Self, GatewayError> {
        // The message of the parser repeats the line, which may hold a secret.
        let file: TokensFile = toml::from_str(text).map_err(|error| {
            GatewayError::new(format!(
                "the tokens cannot be read: {}; write each as `[[token]]` with `name`, `secret`, `publish` and `read`",
                error.message()
            ))
        })?;
        let tokens = file.token.into_iter().map(|entry| {
            let TokenEntry { name, secret, secrets, expires, publish, read, source } = entry;
            let (publish, read) = (patterns(&name, publish)?, patterns(&name, read)?);
            let expires = expires.map(|time| time_of(&name, &time)).transpose()?;
            let mut secrets = secret.into_iter().chain(secrets).map(SecretString::from);
            let secret = secrets.next().ok_or_else(|| {
                GatewayError::new(format!("token `{name}` has no secret; give it `secret`, or `secrets`"))
            })?;
            Ok(Token { name, secret, publish, read, source, further_secrets: secrets.collect(), expires })
        });
        Self::new(tokens.collect::<Result<Vec<_>, GatewayError>>()?)
    }

    /// Reads tokens from a TOML file.
    ///
    /// # Errors
    /// An error says that the file cannot be read. Other errors are those of [`Tokens::from_toml`].
    pub fn from_file(path: &Path) -> Result<Self, GatewayError> {
        let text = fs::read_to_string(path).map_err(|error| {
            GatewayError::new(format!("the tokens in {} cannot be read", path.display())).with_source(error)
        })?;
        Self::from_toml(&text)
    }

    /// Reads tokens from the environment, `.env` or `bloodbank.toml`: TOML in `BLOODBANK_TOKENS`, the name of a file in
    /// `BLOODBANK_TOKENS_FILE`, or in `BLOODBANK_TOKEN` one secret that may do everything. There are no tokens where none of
    /// the settings has a value.
    ///
    /// # Errors
    /// Like [`Tokens::from_file`], and when `.env` or `bloodbank.toml` cannot be read.
    pub fn from_env() -> Result<Self, GatewayError> {
        let mut reader = Reader::load().map_err(|error| GatewayError::new(error.to_string()))?;
        let mut value = |name| reader.get(name, |text| Ok(text.to_owned()));
        if let Some(text) = value("BLOODBANK_TOKENS") {
            return Self::from_toml(&text);
        }
        if let Some(path) = value("BLOODBANK_TOKENS_FILE") {
            return Self::from_file(Path::new(&path));
        }
        let single = value("BLOODBANK_TOKEN")
            .map(|secret| Token::new("token", secret).publish(Patterns::everything()).read(Patterns::everything()));
        Self::new(single)
    }

    /// Whether there are no tokens, not even some that have expired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// The owner of a secret. The search takes the same time for every secret, right or wrong.
    pub(crate) fn find(&self, secret: &str) -> Option<Caller> {
        let (digest, known) = (digest(secret), self.known());
        let mut found = 0_u64;
        for (number, token) in (1_u64..).zip(known.iter()) {
            let same: Choice = token.digest.ct_eq(&digest);
            found.conditional_assign(&number, same);
        }
        let index = usize::try_from(found.checked_sub(1)?).ok()?;
        known.get(index).filter(|token| token.is_good()).map(|token| token.caller.clone())
    }

    /// The owner of the token with this name.
    pub(super) fn named(&self, name: &str) -> Option<Caller> {
        let known = self.known();
        let mut tokens = known.iter().filter(|token| token.is_good());
        tokens.find(|token| token.caller.name.as_deref() == Some(name)).map(|token| token.caller.clone())
    }

    /// The digest of the first secret of a token.
    pub(super) fn digest_of(&self, caller: &Caller) -> Option<[u8; 32]> {
        self.known().iter().find(|token| token.caller.name == caller.name).map(|token| token.digest)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known();
        f.debug_list().entries(known.iter().map(|token| token.caller.name.as_deref().unwrap_or_default())).finish()
    }
}

fn doubled(name: &str) -> GatewayError {
    GatewayError::new(format!("two tokens have the name or the secret of `{name}`; change one of them"))
}

/// The digest of a secret that is long enough.
fn checked(name: &str, secret: &str) -> Result<[u8; 32], GatewayError> {
    if secret.len() < SHORTEST_SECRET || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(GatewayError::new(format!(
            "the secret of token `{name}` must have {SHORTEST_SECRET} or more letters, digits and signs, without spaces; make one with `openssl rand -base64 24`"
        )));
    }
    Ok(digest(secret))
}

fn time_of(name: &str, time: &Time) -> Result<DateTime<Utc>, GatewayError> {
    let text = match time {
        Time::Toml(time) => time.to_string(),
        Time::Text(text) => text.clone(),
    };
    text.parse().map_err(|_| {
        GatewayError::new(format!("`expires` of token `{name}` is not a time; write it like 2027-01-01T00:00:00Z"))
    })
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn patterns(token: &str, texts: Vec<String>) -> Result<Patterns, GatewayError> {
    texts
        .into_iter()
        .map(|text| {
            BindingPattern::parse_wire(text).map_err(|fault| {
                GatewayError::new(format!("token `{token}` has an invalid pattern")).with_source(fault)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r##"
        token = [
            { name = "n8n", secret = "sixteen-letters!", publish = ["fireflies.#"] },
            { name = "reader", secret = "other-letters-16", read = ["#"] },
        ]"##;

    #[test]
    fn a_secret_finds_its_token_and_no_other() {
        let tokens = Tokens::from_toml(TOML).unwrap();
        let n8n = tokens.find("sixteen-letters!").expect("it is there");
        assert_eq!(n8n.name.as_deref(), Some("n8n"));
        assert!(n8n.publish.allow("fireflies.transcript.ready") && !n8n.publish.allow("artifact.created"));
        assert!(!n8n.read.allow("fireflies.transcript.ready"), "nothing is read unless it is said");
        assert!(tokens.find("other-letters-16").expect("the second").read.are_everything());
        assert!(tokens.find("sixteen-letters?").is_none());
        assert!(tokens.find("").is_none());
    }

    #[test]
    fn weak_double_and_broken_tokens_are_refused_without_showing_them() {
        let short = Tokens::from_toml(r#"token = [{ name = "a", secret = "hunter2" }]"#).unwrap_err().to_string();
        assert!(short.contains("`a`") && !short.contains("hunter2"), "{short}");
        let twice = TOML.replace("other-letters-16", "sixteen-letters!");
        assert!(Tokens::from_toml(&twice).unwrap_err().to_string().contains("two tokens"));
        let broken = Tokens::from_toml("secret = 'my-secret-is-not-shown").unwrap_err().to_string();
        assert!(!broken.contains("my-secret"), "{broken}");
        assert!(!format!("{:?}", Tokens::from_toml(TOML)).contains("letters"));
    }

    #[test]
    fn a_token_has_several_secrets_an_end_and_a_successor() {
        let toml = r##"
            token = [
                { name = "n8n", secrets = ["sixteen-letters!", "another-secret-16"], read = ["#"] },
                { name = "past", secret = "was-good-before-16", expires = 2020-01-01T00:00:00Z },
                { name = "future", secret = "will-be-good-then", expires = "2099-01-01T00:00:00Z" },
            ]"##;
        let tokens = Tokens::from_toml(toml).unwrap();
        for secret in ["sixteen-letters!", "another-secret-16"] {
            assert_eq!(tokens.find(secret).expect("good").name.as_deref(), Some("n8n"));
        }
        assert!(tokens.find("was-good-before-16").is_none() && tokens.named("past").is_none());
        assert!(tokens.find("will-be-good-then").is_some());
        let shared = tokens.clone();
        assert!(shared.replace(&Tokens::default()).unwrap_err().to_string().contains("no tokens any more"));
        shared.replace(&Tokens::from_toml(TOML).unwrap()).unwrap();
        assert!(tokens.find("another-secret-16").is_none() && tokens.find("other-letters-16").is_some());
        let expired = Tokens::from_toml(
            r#"token = [{ name = "a", secret = "was-good-before-16", expires = "2020-01-01T00:00:00Z" }]"#,
        );
        assert!(!expired.unwrap().is_empty(), "a gateway whose tokens have expired is not open to everybody");
        for (wrong, said) in [
            (r#"{ name = "a" }"#, "no secret"),
            (r#"{ name = "a", secret = "sixteen-letters!", expires = "soon" }"#, "not a time"),
        ] {
            let error = Tokens::from_toml(&format!("token = [{wrong}]")).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
