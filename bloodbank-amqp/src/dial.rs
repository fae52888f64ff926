//! Opening a connection to the broker, with TLS or without.

use lapin::{Connection, ConnectionBuilder, ConnectionProperties, uri::AMQPUri};

use crate::address::Address;

/// Opens a connection to a node of the broker.
pub(super) async fn dial(
    address: &Address,
    node: &AMQPUri,
    properties: ConnectionProperties,
) -> lapin::Result<Connection> {
    #[cfg(feature = "tls")]
    if let Some(connector) = private_authority::connector(address, node)? {
        return private_authority::dial(node, connector, properties).await;
    }
    let builder = ConnectionBuilder::new()?;
    builder.with_uri(node.clone()).with_properties(properties).with_tls_config(address.tls()).connect().await
}

/// Connecting with `BLOODBANK_TLS_CA`: only that authority is trusted. lapin itself would trust it beside the authorities of
/// the system, and would not connect where the system has none.
#[cfg(feature = "tls")]
mod private_authority {
    use std::io;

    use lapin::{
        Connection, ConnectionProperties,
        runtime::default_runtime,
        tcp::{AMQPUriTcpExt, OwnedIdentity, RustlsConnector, RustlsConnectorConfig, TLSConfig},
        uri::{AMQPScheme, AMQPUri},
    };
    use rustls::pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error, PemObject},
    };

    use super::Address;

    /// The connector that trusts only the authority of the settings; `None` without one, or without TLS.
    pub(super) fn connector(address: &Address, node: &AMQPUri) -> io::Result<Option<RustlsConnector>> {
        let tls = address.tls();
        let Some(ca) = tls.cert_chain.filter(|_| node.scheme == AMQPScheme::AMQPS) else { return Ok(None) };
        let invalid = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let certificates =
            |pem: &[u8]| CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(invalid);
        let mut config = RustlsConnectorConfig::default();
        config.add_parsable_certificates(certificates(ca.as_bytes())?);
        let connector = match tls.identity {
            Some(OwnedIdentity::PKCS8 { pem, key }) => {
                let key = PrivateKeyDer::from_pem_slice(&key).map_err(invalid)?;
                config.connector_with_single_cert(certificates(&pem)?, key)
            }
            Some(OwnedIdentity::PKCS12 { .. }) | None => config.connector_with_no_client_auth(),
        };
        connector.map(Some)
    }

    pub(super) async fn dial(
        node: &AMQPUri,
        connector: RustlsConnector,
        properties: ConnectionProperties,
    ) -> lapin::Result<Connection> {
        let connect = async move |uri: AMQPUri, runtime| {
            let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri.clone() };
            let stream = plain.connect_with_config_async(TLSConfig::default(), &runtime).await?;
            Ok(stream.into_rustls(&connector, &uri.authority.host).await?)
        };
        Connection::connector(node.clone(), default_runtime()?, connect, properties).await
    }
}
