//! TLS towards RabbitMQ and Redis: whom to trust, and who we are.
//!
//! Certificates are always verified; there is no switch that skips it. Those of `BLOODBANK_TLS_CA` are trusted in place of
//! the authorities of the system: who runs an authority of his own does not want a stranger's to vouch for his broker.

use std::path::PathBuf;

use crate::{
    error::{Error, ErrorKind, Result},
    settings::Settings,
};

/// What the files of the settings hold, as PEM.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "checked all the same"))]
pub(crate) struct Pem {
    /// Authorities that are trusted, and no others.
    pub(crate) ca: Option<String>,
    /// The certificate that we show, and its key.
    pub(crate) identity: Option<(String, String)>,
}

impl Pem {
    /// # Errors
    /// [`ErrorKind::Settings`] naming the variable, the file and what is wrong with it.
    pub(crate) fn read(settings: &Settings) -> Result<Self> {
        let ca = read("BLOODBANK_TLS_CA", settings.tls_ca.as_ref(), "CERTIFICATE-----")?;
        let certificate = read("BLOODBANK_TLS_CERT", settings.tls_cert.as_ref(), "CERTIFICATE-----")?;
        let key = read("BLOODBANK_TLS_KEY", settings.tls_key.as_ref(), "PRIVATE KEY-----")?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Error::new(
                    ErrorKind::Settings,
                    "of BLOODBANK_TLS_CERT and BLOODBANK_TLS_KEY only one is set; set both, or neither",
                ));
            }
        };
        Ok(Self { ca, identity })
    }
}

fn read(variable: &str, path: Option<&PathBuf>, label: &str) -> Result<Option<String>> {
    let Some(path) = path else { return Ok(None) };
    let wrong = |what: &str| {
        Error::new(
            ErrorKind::Settings,
            format!("{variable} is {path:?}, which {what}; name a PEM file", path = path.display()),
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong("cannot be read").with_source(error))?;
    // What is no certificate would be passed over in silence.
    if text.contains(label) { Ok(Some(text)) } else { Err(wrong(&format!("holds no `-----BEGIN … {label}`"))) }
}

/// A client of the Redis at this address.
///
/// # Errors
/// [`ErrorKind::Settings`] when the address is none, or asks for TLS where there is none.
#[cfg(feature = "redis")]
pub(crate) fn redis_client(url: &secrecy::SecretString, pem: Option<Pem>) -> Result<redis::Client> {
    use secrecy::ExposeSecret;

    let url = url.expose_secret();
    let invalid = || {
        Error::new(
            ErrorKind::Settings,
            "REDIS_URL is no address of a Redis; it looks like `redis://:password@host:6379/0`",
        )
    };
    // Without what the client says about it: that repeats parts of the address, of which the password may be one.
    let address = redis::IntoConnectionInfo::into_connection_info(url).map_err(|_| invalid())?;
    let is_tls = url.starts_with("rediss://");
    if is_tls && url.contains('#') {
        return Err(Error::new(
            ErrorKind::Settings,
            "REDIS_URL ends in a `#…`, which would switch off the verification of certificates; remove it, and name the authority in BLOODBANK_TLS_CA",
        ));
    }
    #[cfg(feature = "tls")]
    if let Some(Pem { ca, identity }) = pem.filter(|pem| is_tls && (pem.ca.is_some() || pem.identity.is_some())) {
        let certificates = redis::TlsCertificates {
            client_tls: identity.map(|(certificate, key)| redis::ClientTlsConfig {
                client_cert: certificate.into_bytes(),
                client_key: key.into_bytes(),
            }),
            root_cert: ca.map(String::into_bytes),
        };
        return redis::Client::build_with_tls(address, certificates).map_err(|error| invalid().with_source(error));
    }
    #[cfg(not(feature = "tls"))]
    {
        drop(pem);
        if is_tls {
            return Err(Error::new(
                ErrorKind::Settings,
                "REDIS_URL asks for TLS, but this program was built without the feature `tls`; add it",
            ));
        }
    }
    redis::Client::open(address).map_err(|error| invalid().with_source(error))
}
