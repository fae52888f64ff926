//! The address of a Redis, and the authorities to trust there.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    error::{Error, ErrorKind, Result},
    settings::TlsFiles,
};

/// Creates a client of the Redis at this address.
///
/// # Errors
/// [`ErrorKind::Settings`] when the address is none, or asks for TLS where there is none.
pub(super) fn client(url: &SecretString, pem: Option<TlsFiles>) -> Result<redis::Client> {
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
    if let Some(TlsFiles { ca, identity }) = pem.filter(|pem| is_tls && (pem.ca.is_some() || pem.identity.is_some())) {
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
