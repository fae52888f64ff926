//! Serves a gateway on an address, with timeouts, TLS and a graceful shutdown.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use axum::{Extension, extract::ConnectInfo};
use axum_server::{Handle, accept::NoDelayAcceptor};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tracing::info;

#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::{error::GatewayError, gateway::Gateway, preface_timeout::PrefaceTimeout, router::local_router};

/// The number of requests at a time in a connection of HTTP/2.
const MOST_REQUESTS: u32 = 256;
/// The bytes that the headers of a request of HTTP/2 may have.
const MOST_HEADER_BYTES: u32 = 32 * 1024;

/// The address of a gateway, and how it serves there.
#[must_use = "options do nothing until they are given to `serve`"]
pub struct ServeOptions {
    host: String,
    port: u16,
    insecure: bool,
    drain: Duration,
    until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl ServeOptions {
    /// Serves on this host and port; port 0 takes a free one.
    pub fn on(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            insecure: false,
            drain: Duration::from_secs(30),
            until: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Allows to serve on any address without tokens. Everybody who reaches the gateway may then publish and read everything.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// Serves HTTPS.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the time in which requests must be answered when the gateway stops; default 30 s.
    pub fn drain_timeout(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Serves until a future resolves; default: until the process is told to stop (SIGTERM, Ctrl-C).
    pub fn until(mut self, until: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(until));
        self
    }
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, insecure, drain, .. } = self;
        f.debug_struct("ServeOptions")
            .field("host", host)
            .field("port", port)
            .field("insecure", insecure)
            .field("drain", drain)
            .finish_non_exhaustive()
    }
}

/// A server that has its address, and serves a gateway when it is [run](Server::run).
#[must_use = "a server serves when it is run"]
#[derive(Debug)]
pub struct Server {
    gateway: Gateway,
    options: ServeOptions,
    listener: std::net::TcpListener,
    address: SocketAddr,
    /// Whether only this machine can reach it.
    is_local: bool,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// An error says that the address cannot be resolved or is in use, or that other machines can reach the address while the
    /// gateway has no tokens and [`ServeOptions::insecure`] is not set.
    pub async fn bind(gateway: Gateway, options: ServeOptions) -> Result<Self, GatewayError> {
        let (host, port) = (options.host.as_str(), options.port);
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
            .await
            .map_err(|error| GatewayError::new(format!("the host {host:?} cannot be resolved")).with_source(error))?
            .collect();
        let is_local = addresses.iter().all(|address| address.ip().is_loopback());
        if !is_local && gateway.tokens().is_empty() && !options.insecure {
            return Err(GatewayError::new(format!(
                "{host} can be reached from other machines, and there are no tokens; set BLOODBANK_TOKENS_FILE or BLOODBANK_TOKEN, serve on 127.0.0.1, or insist with `--insecure`"
            )));
        }
        let failed = |error: std::io::Error| {
            GatewayError::new(format!(
                "cannot serve on {host}:{port}; choose another port with HTTP_PORT if this one is in use"
            ))
            .with_source(error)
        };
        let listener = TcpListener::bind(&*addresses).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = listener.into_std().map_err(failed)?;
        Ok(Self { gateway, options, listener, address, is_local })
    }

    /// The address that is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the server is told to stop. Then the server takes no more connections, ends the streams, answers the
    /// requests that it has begun within the drain timeout, and leaves the bus open.
    ///
    /// # Errors
    /// An error says that the listener failed.
    pub async fn run(self) -> Result<(), GatewayError> {
        let Self { gateway, options, listener, address, is_local } = self;
        let app = local_router(gateway.clone(), is_local && gateway.tokens().is_empty());
        let handle = Handle::new();
        let ending = {
            let (handle, gateway, drain) = (handle.clone(), gateway.clone(), options.drain);
            let until = options.until.unwrap_or_else(|| Box::pin(told_to_stop()));
            async move {
                until.await;
                info!("stopping: the requests that have begun are answered");
                gateway.close();
                handle.graceful_shutdown(Some(drain));
            }
        };
        let failed =
            |error: std::io::Error| GatewayError::new(format!("the listener on {address} failed")).with_source(error);
        let header_time = gateway.limits().header_time;
        let app = service_fn(move |client: SocketAddr| {
            let app = Extension(ConnectInfo(client)).layer(app.clone());
            std::future::ready(Ok::<_, Infallible>(app))
        });
        let ending = tokio::spawn(ending);
        info!(%address, "serving");
        #[cfg(feature = "tls")]
        if let Some(tls) = options.tls {
            let server = axum_server::from_tcp_rustls(listener, tls.into_config()).map_err(failed)?;
            let mut server = server.map(|acceptor| {
                let acceptor = acceptor.handshake_timeout(header_time).acceptor(NoDelayAcceptor::new());
                PrefaceTimeout::new(acceptor, header_time)
            });
            configure(server.http_builder(), header_time);
            let served = server.handle(handle).serve(app).await;
            ending.abort();
            return served.map_err(failed);
        }
        let server = axum_server::from_tcp(listener).map_err(failed)?;
        let mut server = server.acceptor(PrefaceTimeout::new(NoDelayAcceptor::new(), header_time));
        configure(server.http_builder(), header_time);
        let served = server.handle(handle).serve(app).await;
        ending.abort();
        served.map_err(failed)
    }
}

/// Sets timeouts for both versions of HTTP, so that no client keeps a connection without saying anything.
fn configure(builder: &mut hyper_util::server::conn::auto::Builder<TokioExecutor>, header_time: Duration) {
    // Answers are small: to write head and body in one piece costs less than to let the kernel gather them.
    builder.http1().writev(false).timer(TokioTimer::new()).header_read_timeout(header_time);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header_time)
        .keep_alive_timeout(header_time)
        .max_concurrent_streams(MOST_REQUESTS)
        .max_header_list_size(MOST_HEADER_BYTES);
}

/// Serves a gateway until the process is told to stop.
///
/// # Errors
/// Like [`Server::bind`] and [`Server::run`].
pub async fn serve(gateway: Gateway, options: ServeOptions) -> Result<(), GatewayError> {
    Server::bind(gateway, options).await?.run().await
}

async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    }
    #[cfg(not(unix))]
    drop(tokio::signal::ctrl_c().await);
}
