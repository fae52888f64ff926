//! The side of the process that has the file open.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    net::UnixListener,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::{socket, visitor};
use crate::Embedded;
use bloodbank_core::settings::Settings;

/// The open door of a bus. Dropping it closes the door.
pub(crate) struct Door {
    task: JoinHandle<()>,
    socket: PathBuf,
}

impl Door {
    /// Opens the door of the bus in this file.
    pub(crate) fn open(bus: &Arc<Embedded>, file: &Path, settings: &Settings) -> io::Result<Self> {
        let socket = socket(file);
        // This process holds the lock of the file: whoever left a socket behind is gone.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
        let user = fs::metadata(&socket)?.uid();
        let task = tokio::spawn(accept(listener, user, Arc::downgrade(bus), settings.clone()));
        Ok(Self { task, socket })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.socket);
    }
}

async fn accept(listener: UnixListener, user: u32, bus: Weak<Embedded>, settings: Settings) {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // The permissions of the socket say the same; not every system heeds them.
                Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == user) => {
                    visitors.spawn(visitor::serve(stream, Weak::clone(&bus), settings.clone()));
                }
                Ok(_) => {}
                // Too many open files, for instance.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = visitors.join_next() => {}
        }
    }
}
