use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    HarnessError,
    ports::{PROBE_DEADLINE, Port, loopback},
    process::Process,
    rabbit::{TlsFiles, ask},
    sandbox::{Sandbox, find},
};

const PROGRAM: &str = "redis-server";
/// The time that an answer may take: `FLUSHALL` of millions of keys takes seconds.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// A private Redis server on loopback, without a password and without persistence.
///
/// Dropping the value kills the server and removes its folder.
#[derive(Debug)]
pub struct Redis {
    server: Process,
    sandbox: Sandbox,
    program: PathBuf,
    arguments: Vec<String>,
    port: Port,
    tls: Option<Port>,
}

impl Redis {
    /// Starts a server and returns once it answers `PING`.
    pub fn start() -> Result<Self, HarnessError> {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments, such as `&["--appendonly", "yes"]` or `&["--maxmemory", "2mb"]`.
    pub fn start_with(arguments: &[&str]) -> Result<Self, HarnessError> {
        Self::start_on(arguments.iter().map(|&argument| argument.to_owned()).collect(), None)
    }

    /// Starts a server that also listens for TLS with this certificate. Clients must have a certificate of the same authority.
    pub fn start_with_tls(files: &TlsFiles) -> Result<Self, HarnessError> {
        let port = Port::free()?;
        let TlsFiles { authority, certificate, key } = files;
        let file = |path: &Path| path.display().to_string();
        let arguments = [
            ("--tls-port", port.number().to_string()),
            ("--tls-ca-cert-file", file(authority)),
            ("--tls-cert-file", file(certificate)),
            ("--tls-key-file", file(key)),
        ];
        let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        Self::start_on(arguments, Some(port))
    }

    fn start_on(arguments: Vec<String>, tls: Option<Port>) -> Result<Self, HarnessError> {
        let program = find(PROGRAM)?;
        let sandbox = Sandbox::new("bloodbank-redis")?;
        let redis = Self {
            server: Process::new(PROGRAM, vec![sandbox.path("redis.log")]),
            program,
            arguments,
            tls,
            port: Port::free()?,
            sandbox,
        };
        redis.start_again()?;
        Ok(redis)
    }

    /// The server's address: `redis://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        self.url_through(self.port())
    }

    /// The server's address by way of another port on loopback, usually that of a [`Proxy`](crate::Proxy).
    pub fn url_through(&self, port: u16) -> String {
        format!("redis://127.0.0.1:{port}/")
    }

    /// The server's address with TLS: `rediss://localhost:PORT/`; `None` without
    /// [`start_with_tls`](Self::start_with_tls).
    pub fn tls_url(&self) -> Option<String> {
        Some(format!("rediss://localhost:{}/", self.tls.as_ref()?.number()))
    }

    /// The port. It stays the same when the server is started again.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The server's process id, `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The folder that holds the server's log until this value is dropped.
    pub fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    /// Stops the server in an orderly way (SIGTERM) and waits for its end.
    pub fn stop(&self) -> Result<(), HarnessError> {
        self.server.stop(&self.sandbox)
    }

    /// Kills the server (SIGKILL) and waits for its end.
    pub fn kill(&self) -> Result<(), HarnessError> {
        self.server.kill(&self.sandbox)
    }

    /// Starts the stopped or killed server on the same port. It is empty, unless the arguments given at
    /// the start turned persistence on.
    pub fn start_again(&self) -> Result<(), HarnessError> {
        let mut command = self.sandbox.command(&self.program);
        command
            .args(["--port", &self.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(&self.arguments)
            .stdout(self.sandbox.output("redis.log")?)
            .stderr(self.sandbox.output("redis.log")?);
        self.server.start(&self.sandbox, command, || answers_ping(self.port()))
    }

    /// Freezes the server (SIGSTOP): connections stay open, nothing is answered.
    pub fn pause(&self) -> Result<(), HarnessError> {
        self.server.pause()
    }

    /// Lets a frozen server go on (SIGCONT).
    pub fn resume(&self) -> Result<(), HarnessError> {
        self.server.signal(Signal::CONT)
    }

    /// Sends a command and returns the first line of the answer: `redis.tell("FLUSHALL")` is `+OK`.
    pub fn tell(&self, command: &str) -> Result<String, HarnessError> {
        let tell = || {
            let mut stream = TcpStream::connect_timeout(&loopback(self.port()), PROBE_DEADLINE)?;
            stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
            stream.write_all(format!("{command}\r\n").as_bytes())?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer)?;
            Ok(answer.trim_end().to_owned())
        };
        tell().map_err(HarnessError::io(format!("tell Redis `{command}`")))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.server.finish(&self.sandbox);
    }
}

fn answers_ping(port: u16) -> bool {
    let mut answer = [0; 7];
    ask(port, b"PING\r\n", &mut answer).is_ok() && &answer == b"+PONG\r\n"
}
