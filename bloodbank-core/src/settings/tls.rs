//! TLS towards RabbitMQ and Redis: the trusted authorities, and the client certificate.
//!
//! Certificates are always verified; there is no switch that skips it. The authorities of `BLOODBANK_TLS_CA` are
//! trusted in place of those of the system: an operator with an authority of their own does not want a stranger's to
//! vouch for the broker.

use std::path::PathBuf;

use crate::{
    error::{Error, ErrorKind, Result},
    settings::Settings,
};

/// The contents of the certificate files that the settings name, as PEM.
pub struct TlsFiles {
    /// The authorities that are trusted, and no others.
    pub ca: Option<String>,
    /// The client certificate of this program, and its key.
    pub identity: Option<(String, String)>,
}

impl TlsFiles {
    /// Reads the files named by `BLOODBANK_TLS_CA`, `BLOODBANK_TLS_CERT` and `BLOODBANK_TLS_KEY`.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming the variable, the file and what is wrong with it.
    pub fn read(settings: &Settings) -> Result<Self> {
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
