//! The address of the broker, never shown with its password.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use lapin::{
    tcp::{OwnedIdentity, OwnedTLSConfig},
    uri::{AMQPScheme, AMQPUri},
};
use secrecy::ExposeSecret;

use bloodbank_core::{Error, ErrorKind, Result, settings::Settings, settings::TlsFiles};

/// The heartbeat interval: a broker that is silent for two of them is gone.
const HEARTBEAT_SECONDS: u16 = 10;
/// The time for opening the TCP connection.
const CONNECT_TIMEOUT_MILLISECONDS: u64 = 5_000;
/// A URL for error messages.
const EXAMPLE: &str = "amqp://user:password@host:5672/%2f";

/// The addresses of the broker's nodes, each with the user with whose name and password this program connects.
pub(super) struct Address {
    nodes: Vec<AMQPUri>,
    /// Counts the turns: the node whose turn it is is tried next.
    turn: AtomicUsize,
    tls: OwnedTLSConfig,
    /// The name of this service, shown in the broker's list of connections.
    pub(super) service: String,
}

impl Address {
    pub(super) fn from_settings(settings: &Settings) -> Result<Self> {
        let urls = settings.rabbit_urls();
        if urls.is_empty() {
            return Err(Error::new(ErrorKind::Settings, format!("RABBIT_URL is not set; set it to {EXAMPLE}")));
        }
        let nodes = urls.iter().map(|url| parse(url.expose_secret())).collect::<Result<Vec<_>>>()?;
        let TlsFiles { ca, identity } = TlsFiles::read(settings)?;
        let tls = OwnedTLSConfig {
            identity: identity.map(|(pem, key)| OwnedIdentity::PKCS8 { pem: pem.into_bytes(), key: key.into_bytes() }),
            cert_chain: ca,
        };
        // Each program begins with another node, so that one of them does not get all.
        let turn = AtomicUsize::new(fastrand::usize(..nodes.len()));
        let service = settings.service_name.as_deref().unwrap_or("bloodbank").to_owned();
        Ok(Self { nodes, turn, tls, service })
    }

    /// The number of nodes.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The node whose turn it is.
    pub(super) fn uri(&self) -> &AMQPUri {
        self.of(self.turn())
    }

    /// The number of this turn.
    pub(super) fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// The node of a turn.
    pub(super) fn of(&self, turn: usize) -> &AMQPUri {
        &self.nodes[turn % self.nodes.len()]
    }

    /// Ends a turn, unless another connection has done so: then the next node has its turn.
    pub(super) fn end(&self, turn: usize) {
        let _ = self.turn.compare_exchange(turn, turn.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The authority to trust and the certificate of this program.
    pub(super) fn tls(&self) -> OwnedTLSConfig {
        self.tls.clone()
    }
}

fn parse(url: &str) -> Result<AMQPUri> {
    let wrong = |fault: &str| {
        Error::new(ErrorKind::Settings, format!("RABBIT_URL is {:?}, {fault}; write it as {EXAMPLE}", redact(url)))
    };
    // The parser's message is dropped: it may repeat the URL with its password.
    let mut uri: AMQPUri = url.parse().map_err(|_: String| wrong("which is no AMQP URL"))?;
    if uri.scheme == AMQPScheme::AMQPS && cfg!(not(feature = "tls")) {
        return Err(wrong("but this program was built without the feature `tls`"));
    }
    if uri.vhost.len() > 255 {
        return Err(wrong("whose virtual host is longer than 255 bytes"));
    }
    if uri.vhost.is_empty() && !url.contains("%2") {
        // `amqp://host/` names the virtual host "", which does not exist.
        uri.vhost = "/".to_owned();
    }
    uri.query.heartbeat = Some(uri.query.heartbeat.unwrap_or(HEARTBEAT_SECONDS));
    uri.query.connection_timeout = Some(uri.query.connection_timeout.unwrap_or(CONNECT_TIMEOUT_MILLISECONDS));
    Ok(uri)
}

/// A URL without the password.
pub(super) struct Shown<'a>(pub(super) &'a AMQPUri);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = self.0;
        let slash = if vhost.starts_with('/') { "" } else { "/" };
        let (user, host, port) = (&authority.userinfo.username, &authority.host, authority.port);
        write!(f, "{scheme}://{user}@{host}:{port}{slash}{vhost}")
    }
}

/// The text of a URL, valid or not, without what could be a password.
fn redact(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let shown = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}:***@{host}", user.split(':').next().unwrap_or_default()),
        // `host:port`, or a user and a password without a host.
        None => match rest.split_once(':') {
            Some((host, port)) if port.split('/').next().is_some_and(|port| port.parse::<u16>().is_err()) => {
                format!("{host}:***")
            }
            Some(_) | None => rest.to_owned(),
        },
    };
    format!("{scheme}{separator}{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for url in [
            "amqp://user:s3cret@host:5672/%2f",
            "amqp://user:s3cret@host:notaport/%2f",
            "amqp://user:s3c/s3cret@host",
            "amqp://user:s3c@s3cret@host",
            "http://user:s3cret@host",
            "amqps://user:s3cret@host",
            "user:s3cret@host",
            "amqp://user:s3cret",
            "amqp://host/?password=s3cret#s3cret",
            "://:s3cret@",
        ] {
            let shown = match parse(url) {
                Ok(uri) => Shown(&uri).to_string(),
                Err(error) => error.to_string(),
            };
            assert!(!shown.contains("s3c"), "{shown}");
            assert!(!redact(url).contains("s3c"), "{}", redact(url));
        }
    }

    #[test]
    fn a_wrong_url_is_explained() {
        let error = parse("http://user:pw@host").err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Settings);
        let text = error.to_string();
        assert!(text.starts_with("RABBIT_URL is \"http://user:***@host\""), "{text}");
        assert!(text.ends_with(EXAMPLE), "{text}");
    }

    #[test]
    fn the_virtual_host_is_read() {
        for (url, vhost) in
            [("amqp://host", "/"), ("amqp://host/", "/"), ("amqp://host/%2f", "/"), ("amqp://host/orders", "orders")]
        {
            assert_eq!(parse(url).unwrap().vhost, vhost, "{url}");
        }
    }
}
