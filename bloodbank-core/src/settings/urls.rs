//! Addresses that may hold passwords: checked and composed, never shown.

use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};

/// Checks the address of RabbitMQ, `amqp://user:password@host:port/vhost`, or those of the nodes of a cluster, with commas.
pub(super) fn rabbit(value: &str) -> Result<SecretString, String> {
    for one in list(value) {
        checked(
            one,
            &["amqp", "amqps"],
            "amqp://user:password@host:5672/vhost",
            "percent-encode `/`, `@`, `:`, `#`, `?`, `,` and `%` in user and password",
        )?;
    }
    Ok(value.into())
}

/// The addresses of a list.
pub(super) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

/// Checks the address of RabbitMQ's management API: `http://user:password@host:port`.
pub(super) fn management(value: &str) -> Result<SecretString, String> {
    checked(
        value,
        &["http", "https"],
        "http://user:password@host:15672",
        "percent-encode `/`, `@`, `:`, `#`, `?` and `%` in user and password",
    )
}

/// Checks a Redis address: `redis://user:password@host:port/db`.
pub(super) fn redis(value: &str) -> Result<SecretString, String> {
    checked(
        value,
        &["redis", "rediss"],
        "redis://:password@host:6379/0",
        "percent-encode `/`, `@`, `:`, `#`, `?` and `%` in the password, or set REDIS_HOST and REDIS_PASSWORD",
    )
}

/// Composes a Redis address from its parts.
pub(super) fn redis_from(host: &str, port: u16, db: u32, password: Option<&str>) -> SecretString {
    let password = password.map(|password| format!(":{}@", percent_encoded(password)));
    // An IPv6 address.
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    format!("redis://{}{host}:{port}/{db}", password.unwrap_or_default()).into()
}

/// Checks an address as far as possible without a connection. The message must not repeat any of the value.
fn checked(value: &str, schemes: &[&str], example: &str, remedy: &str) -> Result<SecretString, String> {
    let Some((scheme, rest)) = value.split_once("://") else {
        return Err(format!("is no URL; it must look like `{example}`"));
    };
    if !schemes.contains(&scheme) {
        let allowed: Vec<_> = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect();
        return Err(format!("has the wrong scheme; it must begin with {}, such as `{example}`", allowed.join(" or ")));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A `#` or a `/` in a password ends the host in its middle, which would then be looked up.
    let beyond = &rest[authority.len()..];
    let is_cut = beyond.contains('@') || (beyond.contains('#') && scheme.starts_with("amqp"));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let port = match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port,
        _ => "0",
    };
    let is_broken = |text: &str| text.chars().any(|c| c.is_whitespace() || c.is_control());
    if host.is_empty() || host.starts_with(':') {
        return Err(format!("names no host; it must look like `{example}`, and {remedy}"));
    }
    if is_broken(value) || is_cut || user.contains('@') || port.parse::<u16>().is_err() || !escapes_are_complete(value)
    {
        return Err(format!("cannot be read; it must look like `{example}`, and {remedy}"));
    }
    Ok(value.into())
}

/// Checked addresses without passwords and parameters, which may hold one.
pub(super) fn shown(urls: &SecretString) -> String {
    list(urls.expose_secret()).map(shown_one).collect::<Vec<_>>().join(", ")
}

fn shown_one(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.split(':').next().unwrap_or_default();
    let at = if user.is_empty() { "" } else { "@" };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{scheme}://{user}{at}{host}{slash}{path}")
}

fn escapes_are_complete(value: &str) -> bool {
    value.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
