//! The tokens that a gateway knows.

use std::{fs, path::Path, sync::Arc};

use bloodbank_core::{routing::BindingPattern, settings::Reader};
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
}

impl Token {
    /// Makes a token that may neither publish nor read anything yet.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        let (publish, read) = (Patterns::nothing(), Patterns::nothing());
        Self { name: name.into(), secret: secret.into(), publish, read }
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
/// ```
#[derive(Clone, Default)]
pub struct Tokens(Arc<[StoredToken]>);

struct StoredToken {
    /// The hash of the secret: of the same length for every secret, and no secret stays in memory.
    digest: [u8; 32],
    caller: Caller,
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
    secret: String,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    read: Vec<String>,
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
            let Token { name, secret, publish, read } = token;
            let secret = secret.expose_secret();
            if secret.len() < SHORTEST_SECRET || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(GatewayError::new(format!(
                    "the secret of token `{name}` must have {SHORTEST_SECRET} or more letters, digits and signs, without spaces; make one with `openssl rand -base64 24`"
                )));
            }
            let digest = digest(secret);
            let same = known.iter().any(|other| other.digest == digest || other.caller.name.as_deref() == Some(&name));
            if same {
                return Err(GatewayError::new(format!(
                    "two tokens have the name or the secret of `{name}`; change one of them"
                )));
            }
            known.push(StoredToken { digest, caller: Caller { name: Some(name.into()), publish, read } });
        }
        Ok(Self(known.into()))
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
            let TokenEntry { name, secret, publish, read } = entry;
            let secret = secret.into();
            Ok(Token { publish: patterns(&name, publish)?, read: patterns(&name, read)?, name, secret })
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

    /// Whether there are no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The owner of a secret. The search takes the same time for every secret, right or wrong.
    pub(crate) fn find(&self, secret: &str) -> Option<&Caller> {
        let digest = digest(secret);
        let mut found = 0_u64;
        for (number, known) in (1_u64..).zip(self.0.iter()) {
            let same: Choice = known.digest.ct_eq(&digest);
            found.conditional_assign(&number, same);
        }
        let index = usize::try_from(found.checked_sub(1)?).ok()?;
        self.0.get(index).map(|known| &known.caller)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|known| known.caller.name.as_deref().unwrap_or_default())).finish()
    }
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
}
