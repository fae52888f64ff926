use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, geteuid};

use crate::{
    HarnessError,
    ports::Port,
    process::Process,
    rabbit::{TlsFiles, ask},
    sandbox::{Sandbox, find},
};

const PROGRAM: &str = "postgres";
/// Debian keeps the programs of each major version apart, and none of them on `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The time that the processes of a killed server may take to notice that it is gone.
const LEFTOVERS_DEADLINE: Duration = Duration::from_secs(20);

/// A private PostgreSQL server on loopback, with the user and the database `postgres` and without a password.
///
/// PostgreSQL refuses to run as root: root starts it as the user `postgres`, or `nobody` where there is none.
///
/// Dropping the value kills the server and removes its folder.
#[derive(Debug)]
pub struct Postgres {
    server: Process,
    sandbox: Sandbox,
    programs: PathBuf,
    arguments: Vec<String>,
    user: Option<(u32, u32)>,
    port: Port,
}

impl Postgres {
    /// Starts a server and returns once it accepts connections: about two seconds on an idle machine.
    ///
    /// The environment variable `BLOODBANK_POSTGRES_PROGRAMS` names another folder with the programs `postgres` and
    /// `initdb`, for another version than the newest one in `/usr/lib/postgresql`.
    pub fn start() -> Result<Self, HarnessError> {
        Self::start_with(&[])
    }

    /// Starts a server with more settings, such as `&["fsync=on", "max_connections=20"]`.
    pub fn start_with(settings: &[&str]) -> Result<Self, HarnessError> {
        Self::start_on(settings, None)
    }

    /// Starts a server that also speaks TLS with this certificate, on the same port; clients need none.
    pub fn start_with_tls(files: &TlsFiles) -> Result<Self, HarnessError> {
        Self::start_on(&["ssl=on"], Some(files))
    }

    fn start_on(settings: &[&str], tls: Option<&TlsFiles>) -> Result<Self, HarnessError> {
        let programs = programs()?;
        let sandbox = Sandbox::new("bloodbank-postgres")?;
        let postgres = Self {
            server: Process::new(PROGRAM, vec![sandbox.path("postgres.log")]),
            arguments: settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect(),
            user: if geteuid().is_root() { Some(unprivileged()) } else { None },
            port: Port::free()?,
            programs,
            sandbox,
        };
        postgres.create_cluster()?;
        if let Some(files) = tls {
            postgres.copy_for_the_server(&files.certificate, "server.crt")?;
            postgres.copy_for_the_server(&files.key, "server.key")?;
        }
        postgres.start_again()?;
        Ok(postgres)
    }

    /// The server's address: `postgres://postgres@127.0.0.1:PORT/postgres`.
    pub fn url(&self) -> String {
        self.url_through(self.port())
    }

    /// The server's address by way of another port on loopback, usually that of a [`Proxy`](crate::Proxy).
    pub fn url_through(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// The port. It stays the same when the server is started again.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The server's process id, `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The folder that holds the server's data and log until this value is dropped.
    pub fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    /// Stops the server in an orderly way and waits for its end; clients are disconnected (SIGINT, a “fast shutdown”).
    pub fn stop(&self) -> Result<(), HarnessError> {
        self.server.signal(Signal::INT)?;
        self.server.stop(&self.sandbox)
    }

    /// Kills the server (SIGKILL) and waits for its end. The processes of its clients notice it by themselves.
    pub fn kill(&self) -> Result<(), HarnessError> {
        self.server.kill(&self.sandbox)
    }

    /// Starts the stopped or killed server on the same port with the data it had, and waits until it accepts connections.
    pub fn start_again(&self) -> Result<(), HarnessError> {
        let begun = Instant::now();
        loop {
            let mut command = self.command(PROGRAM)?;
            command
                .arg("-D")
                .arg(self.data())
                .args(["-p", &self.port().to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"])
                // The machine outlives the server: what it wrote is there, also after `kill -9`.
                .args(["-c", "fsync=off"])
                .args(&self.arguments);
            match self.server.start(&self.sandbox, command, || accepts_connections(self.port())) {
                // Processes of the killed server still use its memory.
                Err(HarnessError::StartupFailed { log, .. })
                    if log.contains("pre-existing shared memory block") && begun.elapsed() < LEFTOVERS_DEADLINE =>
                {
                    let _ = fs::remove_file(self.sandbox.path("postgres.log"));
                    thread::sleep(Duration::from_millis(100));
                }
                other => return other,
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.sandbox.path("data")
    }

    /// Creates the folder of the data, as the user that may use it.
    fn create_cluster(&self) -> Result<(), HarnessError> {
        let data = self.data();
        fs::create_dir(&data).map_err(HarnessError::io(format!("create {}", data.display())))?;
        if let Some((user, group)) = self.user {
            let owned = chown(&data, Some(user), Some(group))
                // What is inside stays hidden; the server must be able to reach its own part.
                .and_then(|()| fs::set_permissions(self.folder(), fs::Permissions::from_mode(0o711)));
            owned.map_err(HarnessError::io(format!("hand {} to an unprivileged user", data.display())))?;
        }
        let status = self
            .command("initdb")?
            .arg("-D")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .status()
            .map_err(HarnessError::io("start `initdb`"))?;
        if status.success() {
            return Ok(());
        }
        let log = crate::sandbox::tail(&self.sandbox.path("postgres.log"));
        Err(HarnessError::StartupFailed { program: "initdb", status: status.to_string(), log })
    }

    /// Copies a file into the folder of the data, for nobody but the server: it refuses a key that others can read.
    fn copy_for_the_server(&self, file: &Path, name: &str) -> Result<(), HarnessError> {
        let copy = self.data().join(name);
        let owner = self.user.unzip();
        fs::copy(file, &copy)
            .and_then(|_| fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)))
            .and_then(|()| chown(&copy, owner.0, owner.1))
            .map_err(HarnessError::io(format!("copy {} to {}", file.display(), copy.display())))
    }

    /// A command of the server's installation, run by the unprivileged user.
    fn command(&self, program: &str) -> Result<Command, HarnessError> {
        let path = self.programs.join(program);
        let mut command = match self.user {
            None => self.sandbox.command(&path),
            Some((user, group)) => {
                let mut command = self.sandbox.command(&find("setpriv")?);
                command
                    .args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()])
                    .arg(&path);
                command
            }
        };
        command.stdout(self.sandbox.output("postgres.log")?).stderr(self.sandbox.output("postgres.log")?);
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.finish(&self.sandbox);
    }
}

/// The folder with the programs of the newest installed version.
fn programs() -> Result<PathBuf, HarnessError> {
    let chosen = match env::var_os("BLOODBANK_POSTGRES_PROGRAMS") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => {
            let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
            let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
            let newest = versions.map(|entry| entry.path()).filter_map(|path| Some((version(&path)?, path))).max();
            newest.map(|(_, path)| path.join("bin")).or_else(|| find(PROGRAM).ok()?.parent().map(Path::to_owned))
        }
    };
    let folder = chosen.unwrap_or_else(|| PathBuf::from(VERSIONS));
    match [PROGRAM, "initdb"].iter().map(|name| folder.join(name)).find(|path| !path.is_file()) {
        None => Ok(folder),
        Some(missing) => Err(HarnessError::ProgramNotFound { program: missing.display().to_string() }),
    }
}

/// The user and the group that root runs the server as.
fn unprivileged() -> (u32, u32) {
    const NOBODY: (u32, u32) = (65_534, 65_534);
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = users.lines().find_map(|line| line.strip_prefix("postgres:"));
    let ids = entry.and_then(|entry| {
        let mut fields = entry.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.unwrap_or(NOBODY)
}

/// Whether the server answers a start-up packet by asking for authentication, and not by an error.
fn accepts_connections(port: u16) -> bool {
    const PACKET: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let mut first = [0];
    ask(port, PACKET, &mut first).is_ok() && first == *b"R"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_never_chosen() {
        let (user, group) = unprivileged();
        assert!(user > 0 && group > 0);
    }
}
