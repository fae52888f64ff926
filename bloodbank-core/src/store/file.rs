//! A claim store in the files of one directory.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::{
    settings::ClaimStoreKind,
    store::{ClaimStore, Lookup},
};

/// The number of payloads after which expired ones are removed.
const SWEEP: u32 = 64;
/// The longest first line of a file, in bytes: a longest key, every byte of it escaped, and the time.
const LONGEST_HEAD: u64 = 8 * 1024;
/// The age after which a file that was begun will not be finished.
const ABANDONED: Duration = Duration::from_secs(60 * 60);
const EXTENSION: &str = "claim";
const UNFINISHED: &str = "tmp";

/// A claim store in the files of one directory, which belongs to the store alone.
///
/// The name of a file is the hash of its key, so that no key, whatever it holds, leads out of the directory; a link
/// that somebody put there is not followed. Files are written under a temporary name and moved into place: a reader
/// sees all of a payload or nothing.
#[derive(Debug, Clone)]
pub struct FileClaims {
    directory: Arc<Path>,
    puts: Arc<AtomicU32>,
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    key: String,
    expires_at: Option<DateTime<Utc>>,
}

impl FileClaims {
    /// Opens a store in this directory, which is created if it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when it cannot be made or is no directory.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let wanted = directory.as_ref();
        let failed = |error| failed(&format!("{} cannot hold claims", wanted.display()), error);
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(wanted).map_err(failed)?;
        // The working directory may change later.
        let directory = wanted.canonicalize().map_err(failed)?;
        Ok(Self { directory: directory.into(), puts: Arc::default() })
    }

    fn path(&self, key: &str) -> PathBuf {
        let hash = Sha256::digest(key.as_bytes());
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name).with_extension(EXTENSION)
    }

    fn write(&self, key: &str, payload: &[u8], ttl: Duration) -> io::Result<()> {
        let expires_at = chrono::TimeDelta::from_std(ttl).ok().and_then(|ttl| Utc::now().checked_add_signed(ttl));
        let mut text = serde_json::to_vec(&Head { key: key.to_owned(), expires_at })?;
        text.push(b'\n');
        let unfinished = self.directory.join(Uuid::new_v4().to_string()).with_extension(UNFINISHED);
        let result = write_new(&unfinished, &[&text, payload]).and_then(|()| fs::rename(&unfinished, self.path(key)));
        if result.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        if self.puts.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.sweep()?;
        }
        result
    }

    fn read(&self, key: &str, limit: usize) -> io::Result<Lookup> {
        let Some((head, mut rest)) = open(&self.path(key))? else {
            return Ok(Lookup::Nothing);
        };
        if head.key != key {
            return Ok(Lookup::Nothing);
        }
        if head.is_over() {
            return Ok(Lookup::Expired);
        }
        let mut payload = Vec::new();
        rest.by_ref().take(limit as u64 + 1).read_to_end(&mut payload)?;
        Ok(if payload.len() > limit { Lookup::TooLarge } else { Lookup::Payload(payload.into()) })
    }

    /// Removes expired files, and those that were never finished.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let is_over = match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION) => open(&path).ok().flatten().is_some_and(|(head, _)| head.is_over()),
                Some(UNFINISHED) => {
                    let written = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
                    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > ABANDONED))
                }
                _ => false,
            };
            if is_over {
                // Another process may have been faster.
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result.map_err(|error| failed(what, error)),
            Err(error) => Err(failed(what, io::Error::other(error))),
        }
    }
}

impl Head {
    fn is_over(&self) -> bool {
        self.expires_at.is_some_and(|time| time <= Utc::now())
    }
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, what).with_source(error)
}

fn write_new(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_data()
}

/// The head of a file, and a reader of the rest; `None` when there is no such file.
fn open(path: &Path) -> io::Result<Option<(Head, BufReader<File>)>> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Neither a link nor a pipe is ours; opening a pipe would wait for whoever writes it.
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.cast_signed());
    }
    #[cfg(not(unix))]
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(io::Error::other("a link is not followed"));
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no file"));
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.by_ref().take(LONGEST_HEAD).read_until(b'\n', &mut line)?;
    let head = serde_json::from_slice(&line).map_err(|_| io::Error::other("a file there is no claim"))?;
    Ok(Some((head, reader)))
}

impl ClaimStore for FileClaims {
    fn kind(&self) -> ClaimStoreKind {
        ClaimStoreKind::File
    }

    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        let key = key.to_owned();
        Box::pin(self.blocking("a claim cannot be written", move |store| store.write(&key, &payload, ttl)))
    }

    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>> {
        let key = key.to_owned();
        Box::pin(self.blocking("a claim cannot be read", move |store| store.read(&key, limit)))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        let key = key.to_owned();
        Box::pin(self.blocking("a claim cannot be removed", move |store| match fs::remove_file(store.path(&key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }))
    }
}
