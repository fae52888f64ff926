//! Secrets in arguments. Better a word too many is blotted out than a secret published.

use std::ffi::OsString;

const BLOT: &str = "***";

/// Names whose values are secret.
const NAMES: [&str; 11] =
    ["key", "token", "secret", "password", "passwd", "pwd", "auth", "credential", "bearer", "cookie", "signature"];

/// How well-known secrets begin.
const BEGINNINGS: [&str; 12] =
    ["sk-", "pk-", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "AIza", "eyJ"];

/// The arguments as one line, quoted as a shell wants them, without secrets.
pub(super) fn command_line(args: &[OsString]) -> String {
    let mut words = Vec::with_capacity(args.len());
    let mut is_value_of_secret = false;
    for arg in args {
        let arg = arg.to_string_lossy();
        if is_value_of_secret && !arg.starts_with('-') {
            words.push(BLOT.to_owned());
            is_value_of_secret = false;
            continue;
        }
        is_value_of_secret = arg.starts_with('-') && !arg.contains('=') && !arg.contains(' ') && is_secret_name(&arg);
        words.push(text(&arg));
    }
    let quoted =
        words.iter().map(|word| shlex::try_quote(word).map_or_else(|_| BLOT.into(), std::borrow::Cow::into_owned));
    quoted.collect::<Vec<_>>().join(" ")
}

/// A text without the secrets in it.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_value_of_secret = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let (bare, space) = word.split_at(word.trim_end().len());
        if is_value_of_secret && !bare.is_empty() {
            // `Authorization: Bearer …` has its secret in the next word but one.
            is_value_of_secret = is_secret_name(bare) && !looks_secret(bare);
            out.push_str(if is_value_of_secret { bare } else { BLOT });
        } else {
            is_value_of_secret = bare.ends_with(':') && is_secret_name(bare);
            out.push_str(&self::word(bare));
        }
        out.push_str(space);
    }
    out
}

fn word(word: &str) -> String {
    // `API_KEY=…`, `--token=…`, `key:…`
    if let Some((name, value)) =
        word.split_once('=').or_else(|| word.split_once(':').filter(|(_, rest)| !rest.starts_with("//")))
        && !value.is_empty()
        && (is_secret_name(name) || looks_secret(value))
    {
        return format!("{name}{}{BLOT}", &word[name.len()..=name.len()]);
    }
    // `https://user:password@host`
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((user, host)) = rest.split_once('@')
        && user.contains(':')
        && !user.contains('/')
    {
        return format!("{scheme}://{BLOT}@{host}");
    }
    if looks_secret(word) { BLOT.to_owned() } else { word.to_owned() }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|secret| name.contains(secret))
}

/// What begins like a well-known secret, or is long and random.
fn looks_secret(word: &str) -> bool {
    let word = word.trim_matches(|quote| matches!(quote, '"' | '\'' | ',' | ';' | '(' | ')'));
    if word.len() >= 12 && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) {
        return true;
    }
    let is_one_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=.".contains(&byte));
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    word.len() >= 32
        && is_one_word
        && digits >= 4
        && letters >= 4
        && !word.contains("//")
        && word.matches('/').count() < 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out() {
        for (args, expected) in [
            (&["-p", "Explain event sourcing"][..], "-p 'Explain event sourcing'"),
            (&["--api-key", "hunter2", "-p", "x"], "--api-key '***' -p x"),
            (&["--api-key=hunter2"], "'--api-key=***'"),
            (&["OPENAI_API_KEY=hunter2"], "'OPENAI_API_KEY=***'"),
            (&["-H", "Authorization: Bearer hunter2"], "-H 'Authorization: Bearer ***'"),
            (&["-H", "x-api-key: hunter2"], "-H 'x-api-key: ***'"),
            (&["use sk-ant-REDACTED please"], "'use *** please'"),
            (&["https://ada:hunter2@example.com/x"], "'https://***@example.com/x'"),
            (&["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15"], "'***'"),
            (&["--model", "claude-sonnet-4", "src/verbs/wrap/mod.rs"], "--model claude-sonnet-4 src/verbs/wrap/mod.rs"),
        ] {
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            assert_eq!(command_line(&args), expected);
        }
    }
}
