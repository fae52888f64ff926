use std::{fs, net::TcpStream, path::PathBuf};

use crate::{
    HarnessError,
    ports::{PROBE_DEADLINE, Port, loopback},
    process::Process,
    sandbox::{Sandbox, find},
};

/// The Erlang port mapper of a broker, or of the nodes of a cluster, and the home folder with the secret that they share.
#[derive(Debug)]
pub(crate) struct PortMapper {
    process: Process,
    sandbox: Sandbox,
    port: Port,
}

impl PortMapper {
    /// Starts it in the foreground, as a child of this process. A broker by itself would start one that detaches and stays behind.
    pub(crate) fn start() -> Result<Self, HarnessError> {
        let program = find("epmd")?;
        let sandbox = Sandbox::new("bloodbank-epmd")?;
        let process = Process::new("epmd", vec![sandbox.path("epmd.log")]);
        let mapper = Self { process, sandbox, port: Port::free()? };
        let home = mapper.home();
        fs::create_dir(&home).map_err(HarnessError::io(format!("create {}", home.display())))?;
        let mut command = mapper.sandbox.command(&program);
        command
            .args(["-port", &mapper.port().to_string(), "-address", "127.0.0.1"])
            .stdout(mapper.sandbox.output("epmd.log")?)
            .stderr(mapper.sandbox.output("epmd.log")?);
        let address = loopback(mapper.port());
        let ready = || TcpStream::connect_timeout(&address, PROBE_DEADLINE).is_ok();
        mapper.process.start(&mapper.sandbox, command, ready)?;
        Ok(mapper)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where Erlang keeps the secret.
    pub(crate) fn home(&self) -> PathBuf {
        self.sandbox.path("home")
    }
}

impl Drop for PortMapper {
    fn drop(&mut self) {
        self.process.finish(&self.sandbox);
    }
}
