use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    HarnessError,
    port_mapper::PortMapper,
    ports::{PROBE_DEADLINE, Port, loopback},
    process::{Process, end},
    sandbox::{Sandbox, tail},
    unique, until,
};

const PROGRAM: &str = "rabbitmq-server";
/// The scripts in `/usr/sbin` switch user and forget the environment; these do not.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// A node that says nothing for 8 seconds (60 by default) is given up by the others.
const ERLANG: &str = "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} -kernel net_ticktime 8";
const CTL_DEADLINE: Duration = Duration::from_secs(240);

/// The PEM files of a server that speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate of the authority that issues clients' certificates.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

/// What was dead-lettered to a queue that just then was full, or changed its leader, is sent again after 10 s instead of 180 s: a retry
/// that comes back is among it.
const ADVANCED: &str = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].\n";

/// A private RabbitMQ broker on loopback, with the user `guest` and the password `guest`; a node of its own, or of a
/// [`Cluster`](crate::Cluster).
///
/// Dropping the value kills the broker and its port mapper and removes the folder with its data.
#[derive(Debug)]
pub struct RabbitMq {
    broker: Process,
    sandbox: Sandbox,
    scripts: PathBuf,
    node: String,
    amqp: Port,
    distribution: Port,
    mapper: Arc<PortMapper>,
    tls: Option<Port>,
    management: Option<Port>,
    commands: AtomicU32,
}

/// The ports that a broker listens on besides.
#[derive(Default)]
struct Extra {
    tls: Option<Port>,
    management: Option<Port>,
}

impl RabbitMq {
    /// Starts a broker and returns once it answers AMQP: 5 to 7 seconds on an idle machine.
    ///
    /// The environment variable `BLOODBANK_RABBITMQ_SCRIPTS` names another folder with the scripts
    /// `rabbitmq-server` and `rabbitmqctl`, for another version than the installed one.
    pub fn start() -> Result<Self, HarnessError> {
        Self::start_with("")
    }

    /// Starts a broker with more lines in `rabbitmq.conf`, such as `"consumer_timeout = 10000\n"`.
    pub fn start_with(configuration: &str) -> Result<Self, HarnessError> {
        Self::start_on(configuration, Extra::default())
    }

    /// Starts a broker that also listens for TLS with this certificate. Clients must have a certificate of the same authority.
    pub fn start_with_tls(files: &TlsFiles) -> Result<Self, HarnessError> {
        let port = Port::free()?;
        let TlsFiles { authority, certificate, key } = files;
        let configuration = format!(
            "listeners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n",
            port.number(),
            authority.display(),
            certificate.display(),
            key.display()
        );
        Self::start_on(&configuration, Extra { tls: Some(port), ..Extra::default() })
    }

    /// Starts a broker with the management plugin, whose API is at [`RabbitMq::management_url`].
    pub fn start_with_management() -> Result<Self, HarnessError> {
        let (configuration, extra) = management()?;
        Self::start_on(&configuration, extra)
    }

    fn start_on(configuration: &str, extra: Extra) -> Result<Self, HarnessError> {
        let rabbit = Self::prepare(node_name(), configuration, extra, Arc::new(PortMapper::start()?))?;
        rabbit.start_again()?;
        Ok(rabbit)
    }

    /// Makes a node that is not started yet.
    pub(crate) fn node(
        name: String,
        configuration: &str,
        mapper: Arc<PortMapper>,
        has_management: bool,
    ) -> Result<Self, HarnessError> {
        let (more, extra) = if has_management { management()? } else { (String::new(), Extra::default()) };
        Self::prepare(name, &format!("{configuration}{more}"), extra, mapper)
    }

    fn prepare(node: String, configuration: &str, extra: Extra, mapper: Arc<PortMapper>) -> Result<Self, HarnessError> {
        let scripts = PathBuf::from(env::var_os("BLOODBANK_RABBITMQ_SCRIPTS").unwrap_or_else(|| SCRIPTS.into()));
        for script in [PROGRAM, "rabbitmqctl"] {
            let script = scripts.join(script);
            if !script.is_file() {
                return Err(HarnessError::ProgramNotFound { program: script.display().to_string() });
            }
        }
        let sandbox = Sandbox::new("bloodbank-rabbitmq")?;
        let logs = vec![sandbox.path("console.log"), sandbox.path("log/broker.log")];
        let rabbit = Self {
            broker: Process::new(PROGRAM, logs),
            scripts,
            node,
            amqp: Port::free()?,
            distribution: Port::free()?,
            mapper,
            tls: extra.tls,
            management: extra.management,
            commands: AtomicU32::new(0),
            sandbox,
        };
        rabbit.write_files(configuration)?;
        Ok(rabbit)
    }

    fn write_files(&self, configuration: &str) -> Result<(), HarnessError> {
        let folders = ["mnesia", "log", "generated"];
        for folder in folders {
            let path = self.sandbox.path(folder);
            fs::create_dir(&path).map_err(HarnessError::io(format!("create {}", path.display())))?;
        }
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             vm_memory_high_watermark.absolute = 2GB\n\
             disk_free_limit.absolute = 50MB\n\
             log.console = false\n\
             log.file = broker.log\n\
             log.file.level = warning\n\
             {configuration}\n",
            self.amqp.number()
        );
        let plugins = if self.management.is_some() { "[rabbitmq_management].\n" } else { "[].\n" };
        let files = [
            ("rabbitmq.conf", settings.as_str()),
            ("advanced.config", ADVANCED),
            ("environment", ""),
            ("enabled_plugins", plugins),
        ];
        for (name, text) in files {
            let path = self.sandbox.path(name);
            fs::write(&path, text).map_err(HarnessError::io(format!("write {}", path.display())))?;
        }
        Ok(())
    }

    fn script(&self, name: &str) -> Command {
        let path = |name: &str| self.sandbox.path(name);
        let mut command = self.sandbox.command(&self.scripts.join(name));
        command
            .env("HOME", self.mapper.home())
            .env("ERL_EPMD_PORT", self.mapper.port().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_CONF_ENV_FILE", path("environment"));
        command
    }

    /// The broker's address: `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    pub fn url(&self) -> String {
        self.url_through(self.port())
    }

    /// The broker's address by way of another port on loopback, usually that of a [`Proxy`](crate::Proxy).
    pub fn url_through(&self, port: u16) -> String {
        format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
    }

    /// The address of the management API, where the broker has one: `http://guest:guest@127.0.0.1:PORT`.
    #[must_use]
    pub fn management_url(&self) -> Option<String> {
        self.management.as_ref().map(|port| format!("http://guest:guest@127.0.0.1:{}", port.number()))
    }

    /// The broker's address with TLS: `amqps://guest:guest@localhost:PORT/%2f`; `None` without
    /// [`start_with_tls`](Self::start_with_tls).
    pub fn tls_url(&self) -> Option<String> {
        let port = self.tls.as_ref()?.number();
        Some(format!("amqps://guest:guest@localhost:{port}/%2f"))
    }

    /// The AMQP port. It stays the same when the broker is started again.
    pub fn port(&self) -> u16 {
        self.amqp.number()
    }

    /// The name of the Erlang node, by which `ctl` names it.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.node
    }

    /// The broker's process id, `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.broker.pid()
    }

    /// The folder that holds the broker's data and logs until this value is dropped.
    pub fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    /// Stops the broker in an orderly way (SIGTERM) and waits for its end, about a second.
    pub fn stop(&self) -> Result<(), HarnessError> {
        self.broker.stop(&self.sandbox)
    }

    /// Kills the broker (SIGKILL) and waits for its end.
    pub fn kill(&self) -> Result<(), HarnessError> {
        self.broker.kill(&self.sandbox)
    }

    /// Starts the stopped or killed broker on the same port with the data it had, and waits until it
    /// answers AMQP.
    pub fn start_again(&self) -> Result<(), HarnessError> {
        let path = |name: &str| self.sandbox.path(name);
        let mut command = self.script(PROGRAM);
        command
            .arg("-noinput")
            // With it the script turns into the broker instead of staying as its parent.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.amqp.number().to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.number().to_string())
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_PID_FILE", path("pid"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", path("generated"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG)
            .stdout(self.sandbox.output("console.log")?)
            .stderr(self.sandbox.output("console.log")?);
        self.broker.start(&self.sandbox, command, || answers_amqp(self.port()))
    }

    /// Freezes the broker (SIGSTOP): connections stay open, nothing is answered.
    pub fn pause(&self) -> Result<(), HarnessError> {
        self.broker.pause()
    }

    /// Lets a frozen broker go on (SIGCONT).
    pub fn resume(&self) -> Result<(), HarnessError> {
        self.broker.signal(Signal::CONT)
    }

    /// Runs `rabbitmqctl` on this broker and returns its standard output, without its progress messages.
    ///
    /// A call, such as `rabbit.ctl(&["list_queues", "name", "messages"])`, takes about a second and at most four minutes.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String, HarnessError> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let [out, err] = ["out", "err"].map(|kind| format!("ctl-{number}.{kind}"));
        let mut child = self
            .script("rabbitmqctl")
            .args(["--silent", "--node", &self.node])
            .args(arguments)
            .env("RABBITMQ_CTL_ERL_ARGS", "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}")
            // The default leaves room for ten commands at a time on the whole machine.
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "36671")
            .stdout(self.sandbox.output(&out)?)
            .stderr(self.sandbox.output(&err)?)
            .spawn()
            .map_err(HarnessError::io("start `rabbitmqctl`"))?;
        let mut status = None;
        let waited = until("`rabbitmqctl` ends", CTL_DEADLINE, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        if waited.is_err() {
            end("rabbitmqctl", &self.sandbox, &mut child)?;
        } else {
            self.sandbox.forget(child.id());
        }
        let printed = fs::read_to_string(self.sandbox.path(&out)).unwrap_or_default();
        let complaint = tail(&self.sandbox.path(&err));
        for name in [&out, &err] {
            // Left over, they go with the folder.
            let _ = fs::remove_file(self.sandbox.path(name));
        }
        match status {
            Some(status) if status.success() => Ok(printed),
            Some(_) | None => Err(HarnessError::Rabbitmqctl {
                command: arguments.join(" "),
                output: match waited {
                    Ok(()) => format!("{printed}{complaint}"),
                    Err(late) => format!("{late}\n{printed}{complaint}"),
                },
            }),
        }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.broker.finish(&self.sandbox);
    }
}

/// The lines of `rabbitmq.conf` for the management plugin, and its port.
fn management() -> Result<(String, Extra), HarnessError> {
    let port = Port::free()?;
    let configuration = format!("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {}\n", port.number());
    Ok((configuration, Extra { management: Some(port), ..Extra::default() }))
}

/// A node name that no other broker has.
pub(crate) fn node_name() -> String {
    format!("{}@localhost", unique("bloodbank"))
}

/// Sends `question` and returns the first bytes of the answer.
pub(crate) fn ask(port: u16, question: &[u8], answer: &mut [u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&loopback(port), PROBE_DEADLINE)?;
    stream.set_read_timeout(Some(PROBE_DEADLINE))?;
    stream.set_write_timeout(Some(PROBE_DEADLINE))?;
    stream.write_all(question)?;
    stream.read_exact(answer)
}

/// Whether the broker answers the protocol header with a method frame, which begins with 1.
fn answers_amqp(port: u16) -> bool {
    let mut first = [0];
    ask(port, b"AMQP\0\0\x09\x01", &mut first).is_ok() && first == [1]
}
