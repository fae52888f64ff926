//! `bb serve`.

use std::{
    fs,
    io::Write,
    pin::pin,
    sync::{Arc, OnceLock},
};

use bloodbank_client::{GatewayFile, default_bus_file, is_in_memory};
use bloodbank_core::{Bus, Settings, app::StopSignals};
use bloodbank_gateway::{Gateway, ServeOptions, Server, Tokens};
use tokio::sync::oneshot;

use crate::{
    app::{Composition, Probes},
    error::{CliError, Result},
    output::{
        self,
        style::{HEADING, KEY, paint},
    },
    runtime,
};

/// Run the gateway and the workers of this program until SIGTERM or Ctrl-C
///
/// Without RABBIT_URL and BLOODBANK_EMBEDDED_PATH the bus is a file in the user's data directory. While it runs, the other
/// verbs find it by themselves and go through it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb serve
  bb serve --memory --port 0
  RABBIT_URL=amqp://localhost BLOODBANK_TOKENS_FILE=tokens.toml bb serve --host 0.0.0.0")]
pub(crate) struct Serve {
    /// The address to serve on; default: HTTP_HOST, 127.0.0.1
    #[arg(long)]
    host: Option<String>,
    /// The port to serve on, 0 for a free one; default: HTTP_PORT, 8682
    #[arg(long)]
    port: Option<u16>,
    /// Keep nothing: a bus in memory
    #[arg(long)]
    memory: bool,
    /// Serve on any address without tokens: everybody who reaches it may do everything
    #[arg(long)]
    insecure: bool,
    /// Execute no commands: somebody else does
    #[arg(long)]
    no_commands: bool,
}

impl Serve {
    pub(crate) fn run(self, program: Composition) -> Result {
        runtime::block_on_service(self.serve(program))
    }

    async fn serve(self, program: Composition) -> Result {
        let settings = self.settings()?;
        let host = self.host.clone().unwrap_or_else(|| settings.http_host.clone());
        let port = self.port.unwrap_or(settings.http_port);
        let bus = Bus::connect(settings.clone()).await?;
        let served = self.on(&bus, program, &settings, ServeOptions::on(host, port).insecure(self.insecure)).await;
        bus.close().await;
        served
    }

    /// Where nothing is set, the bus is a file of this user.
    fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::load()?;
        if self.memory {
            if settings.rabbit_url.is_some() {
                return Err(CliError::usage("--memory is for the embedded bus; leave it out, or unset RABBIT_URL"));
            }
            settings.embedded_path = None;
            settings.allow_memory = true;
        } else if is_in_memory(&settings) {
            let file = default_bus_file().ok_or_else(|| {
                CliError::usage(
                    "this user has no data directory; set BLOODBANK_EMBEDDED_PATH to a file, or say --memory",
                )
            })?;
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)
                    .map_err(|error| CliError::failed(format!("{} cannot be made: {error}", folder.display())))?;
            }
            settings.embedded_path = Some(file);
        }
        Ok(settings)
    }

    async fn on(&self, bus: &Bus, program: Composition, settings: &Settings, options: ServeOptions) -> Result {
        let mut signals = StopSignals::listen()?;
        // The apps are built with a layer of the gateway, which asks for their health once they run.
        let probes = Arc::new(OnceLock::new());
        let builder =
            Gateway::builder(bus.clone()).endpoints(bloodbank_dashboard::endpoints()).load_settings()?.workers({
                let (probes, bus) = (Arc::clone(&probes), bus.clone());
                move || probes.get().and_then(Probes::health).unwrap_or_else(|| bus.health())
            });
        let gateway = (program.gateway)(builder)?.build();
        let apps = program.apps.build(bus).await?;
        let apps = if self.no_commands { apps.execute_only(&[]) } else { apps };
        let running = apps.watched(&gateway.watch_commands()).start().await?;
        let _ = probes.set(running.probes());
        let (stop, stopped) = oneshot::channel::<()>();
        let options = options.until(async {
            let _ = stopped.await;
        });
        let (options, scheme) = with_tls(options)?;
        let tokens = gateway.tokens().clone();
        let server = Server::bind(gateway, options).await?;
        let url = format!("{scheme}://{}", server.address());
        let address = GatewayFile::write(settings, &url).map_err(|error| {
            CliError::failed(format!("the file with the address of the gateway cannot be written: {error}"))
        })?;
        announce(settings, bus, &url)?;
        let serving = async {
            let served = server.run().await;
            drop(address);
            let stopped = running.shutdown().await;
            served?;
            Ok(stopped?)
        };
        let mut serving = pin!(serving);
        let _reloading = ReloadTokens::on_hangup(tokens)?;
        tokio::select! {
            done = serving.as_mut() => return done,
            () = signals.next() => drop(stop),
        }
        tokio::select! {
            done = serving => done,
            () = signals.next() => Err(CliError::failed("stopped at once; what was in hand is delivered again")),
        }
    }
}

/// Serves HTTPS where the settings name a certificate.
#[cfg(feature = "tls")]
fn with_tls(options: ServeOptions) -> Result<(ServeOptions, &'static str)> {
    Ok(match bloodbank_gateway::Tls::from_env()? {
        Some(tls) => (options.tls(tls), "https"),
        None => (options, "http"),
    })
}

#[cfg(not(feature = "tls"))]
fn with_tls(options: ServeOptions) -> Result<(ServeOptions, &'static str)> {
    if bloodbank_core::settings::Reader::load()?.has("BLOODBANK_HTTP_TLS_CERT") {
        return Err(CliError::usage("this program is built without HTTPS; build it with the feature `tls`"));
    }
    Ok((options, "http"))
}

/// Reads the tokens again whenever the process gets SIGHUP, until this is dropped.
struct ReloadTokens(tokio::task::JoinHandle<()>);

impl ReloadTokens {
    #[cfg(unix)]
    fn on_hangup(tokens: Tokens) -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(Self(tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                match Tokens::from_env().and_then(|new| tokens.replace(&new)) {
                    Ok(()) => output::note("the tokens were read again"),
                    Err(error) => output::note(&format!("the tokens stay as they were: {error}")),
                }
            }
        })))
    }

    #[cfg(not(unix))]
    fn on_hangup(_tokens: Tokens) -> Result<Self> {
        Ok(Self(tokio::spawn(async {})))
    }
}

impl Drop for ReloadTokens {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn announce(settings: &Settings, bus: &Bus, url: &str) -> Result {
    let mut out = output::out();
    let place = match (&settings.rabbit_url, &settings.embedded_path) {
        (Some(_), _) => format!("RabbitMQ, exchange {}", bus.exchange()),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => "in memory: it ends with this process".to_owned(),
    };
    writeln!(out, "{}      {place}", paint(HEADING, "bus"))?;
    writeln!(out, "{}  {}", paint(HEADING, "gateway"), paint(KEY, url))?;
    writeln!(out, "{}     {url}/docs", paint(HEADING, "docs"))?;
    Ok(out.flush()?)
}
