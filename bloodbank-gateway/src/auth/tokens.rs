//! The tokens that a gateway knows.

use std::{fs, path::Path, sync::Arc};

use bloodbank_core::routing::BindingPattern;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::caller::{Caller, Patterns};
use crate::error::GatewayError;

/// The shortest secret that is taken: what 96 random bits are in base64.
const SHORTEST: usize = 16;

/// A token: a secret, and what whoever has it may do.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its name, which stands in the source of events and in logs.
    pub name: String,
    /// What follows `Bearer`.
    pub secret: SecretString,
    /// The keys it may publish under.
    pub publish: Patterns,
    /// The keys it may read.
    pub read: Patterns,
}

/// The tokens that a gateway knows; empty: everybody may do everything.
///
/// As TOML, in a file or in a variable:
///
/// ```toml
/// [[token]]
/// name = "n8n"
/// secret = "0Yh2vXk1…"
/// publish = ["fireflies.#", "artifact.*"]   # nothing, where it is missing
/// read = ["#"]                              # nothing, where it is missing
/// ```
#[derive(Clone, Default)]
pub struct Tokens(Arc<[Known]>);

struct Known {
    /// Of equal length for every secret, and no secret in memory.
    digest: [u8; 32],
    caller: Caller,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    secret: String,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    read: Vec<String>,
}

impl Tokens {
    /// These tokens.
    ///
    /// # Errors
    /// A secret that is shorter than 16 bytes or has other characters than ASCII, a name or a secret that is there twice.
    pub fn new(tokens: impl IntoIterator<Item = Token>) -> Result<Self, GatewayError> {
        let mut known: Vec<Known> = Vec::new();
        for token in tokens {
            let Token { name, secret, publish, read } = token;
            let secret = secret.expose_secret();
            if secret.len() < SHORTEST || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(GatewayError::new(format!(
                    "the secret of token `{name}` must be {SHORTEST} or more letters, digits and signs without spaces; take `openssl rand -base64 24`"
                )));
            }
            let digest = digest(secret);
            let same = known.iter().any(|other| other.digest == digest || other.caller.name.as_deref() == Some(&name));
            if same {
                return Err(GatewayError::new(format!(
                    "token `{name}` is there twice, by its name or its secret; change one"
                )));
            }
            known.push(Known { digest, caller: Caller { name: Some(name.into()), publish, read } });
        }
        Ok(Self(known.into()))
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|known| known.caller.name.as_ref())
    }

    /// From TOML.
    ///
    /// # Errors
    /// When it is not as above; the message shows no secret.
    pub fn from_toml(text: &str) -> Result<Self, GatewayError> {
        // The message of the parser repeats the line, which may hold a secret.
        let file: File = toml::from_str(text).map_err(|error| {
            GatewayError::new(format!(
                "the tokens cannot be read: {}; each is `[[token]]` with `name`, `secret`, `publish`, `read`",
                error.message()
            ))
        })?;
        let tokens = file.token.into_iter().map(|entry| {
            let Entry { name, secret, publish, read } = entry;
            let secret = secret.into();
            Ok(Token { publish: patterns(&name, publish)?, read: patterns(&name, read)?, name, secret })
        });
        Self::new(tokens.collect::<Result<Vec<_>, GatewayError>>()?)
    }

    /// From a file.
    ///
    /// # Errors
    /// When it cannot be read; otherwise like [`Tokens::from_toml`].
    pub fn from_file(path: &Path) -> Result<Self, GatewayError> {
        let text = fs::read_to_string(path).map_err(|error| {
            GatewayError::new(format!("the tokens in {} cannot be read", path.display())).with_source(error)
        })?;
        Self::from_toml(&text)
    }

    /// From the environment: TOML in `BLOODBANK_TOKENS`, a file in `BLOODBANK_TOKENS_FILE`, or one secret that may do
    /// everything in `BLOODBANK_TOKEN`. None, where none is set.
    ///
    /// # Errors
    /// Like [`Tokens::from_file`].
    pub fn from_env() -> Result<Self, GatewayError> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        if let Some(text) = variable("BLOODBANK_TOKENS") {
            return Self::from_toml(&text);
        }
        if let Some(path) = variable("BLOODBANK_TOKENS_FILE") {
            return Self::from_file(Path::new(&path));
        }
        let single = variable("BLOODBANK_TOKEN").map(|secret| Token {
            name: "token".to_owned(),
            secret: secret.into(),
            publish: Patterns::everything(),
            read: Patterns::everything(),
        });
        Self::new(single)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who has this secret. Takes the same time for every secret, right or wrong.
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
            BindingPattern::parse_wire(text)
                .map_err(|fault| GatewayError::new(format!("a pattern of token `{token}` is none")).with_source(fault))
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
        assert!(Tokens::from_toml(&twice).unwrap_err().to_string().contains("twice"));
        let broken = Tokens::from_toml("secret = 'my-secret-is-not-shown").unwrap_err().to_string();
        assert!(!broken.contains("my-secret"), "{broken}");
        assert!(!format!("{:?}", Tokens::from_toml(TOML)).contains("letters"));
    }
}
