//! The certificate for HTTPS.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum_server::tls_rustls::RustlsConfig;
use bloodbank_core::settings::Reader;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::error::GatewayError;

/// A certificate and its private key, for HTTPS.
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads PEM files: the certificate followed by its chain, and the private key.
    ///
    /// # Errors
    /// An error says that one of the files cannot be read, or that the key does not belong to the certificate.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, GatewayError> {
        let unreadable = |what: &str, path: &Path| {
            GatewayError::new(format!("the {what} in {} cannot be read; give a PEM file", path.display()))
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable("certificate", certificate).with_source(error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key).with_source(error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| {
                GatewayError::new(
                    "the certificate and the key do not belong together; give the key of this certificate",
                )
                .with_source(error)
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Reads the files that the settings `BLOODBANK_HTTP_TLS_CERT` and `BLOODBANK_HTTP_TLS_KEY` name; `None` where neither is set.
    ///
    /// # Errors
    /// Like [`Tls::from_files`]; also when one of the two is missing.
    pub fn from_env() -> Result<Option<Self>, GatewayError> {
        let mut reader = Reader::load().map_err(|error| GatewayError::new(error.to_string()))?;
        let mut path = |name| reader.get(name, |text| Ok(PathBuf::from(text)));
        match (path("BLOODBANK_HTTP_TLS_CERT"), path("BLOODBANK_HTTP_TLS_KEY")) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Self::from_files(&certificate, &key).map(Some),
            _ => Err(GatewayError::new(
                "HTTPS needs BLOODBANK_HTTP_TLS_CERT and BLOODBANK_HTTP_TLS_KEY; set both, or neither",
            )),
        }
    }

    pub(crate) fn into_config(self) -> RustlsConfig {
        RustlsConfig::from_config(self.0)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
