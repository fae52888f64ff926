//! What an archive asks of its store of objects: listing, reading, and writing what is not there yet.

use std::{future::Future, time::Duration};

use bloodbank_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt, PutMode, PutOptions, path::Path};
use tokio::time::timeout;

use crate::place::Place;

/// A store that takes longer is away. Clients of clouds try again by themselves before.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What became of an object that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    Written,
    /// One of that name is there, and was not touched.
    Exists,
}

impl Place {
    /// Everything below the folder of the archive.
    pub(crate) async fn list(&self) -> Result<Vec<ObjectMeta>> {
        self.ask("be listed", &self.root, self.store.list(Some(&self.root)).try_collect()).await
    }

    /// The bytes of an object; `None`: there is none.
    pub(crate) async fn read(&self, path: &Path) -> Result<Option<Bytes>> {
        let bytes = async {
            match self.store.get(path).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.ask("be read", path, bytes).await
    }

    /// Writes an object in one step, unless there is one.
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes) -> Result<Created> {
        let created = async {
            let options = PutOptions::from(PutMode::Create);
            match self.store.put_opts(path, bytes.into(), options).await {
                Ok(_) => Ok(Created::Written),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    Ok(Created::Exists)
                }
                Err(error) => Err(error),
            }
        };
        self.ask("be written", path, created).await
    }

    /// Asks the store, and says what it was asked for where it does not answer or refuses.
    async fn ask<T>(
        &self,
        what: &str,
        path: &Path,
        asked: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T> {
        let (name, shown) = (self.name_of(path), &self.shown);
        match timeout(TIMEOUT, asked).await {
            Ok(answer) => answer.map_err(|error| {
                let remedy = remedy(&error);
                Error::new(
                    ErrorKind::Storage,
                    format!("{name} of the archive {shown} cannot {what}: {error}; {remedy}"),
                )
            }),
            Err(_) => Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "{name} of the archive {shown} did not {what} within {} s; check the network and the load of the store",
                    TIMEOUT.as_secs()
                ),
            )),
        }
    }

    /// The name of an object below the folder of the archive.
    pub(crate) fn name_of(&self, path: &Path) -> String {
        let parts: Option<Vec<_>> =
            path.prefix_match(&self.root).map(|parts| parts.map(|part| part.as_ref().to_owned()).collect());
        match parts {
            Some(parts) if !parts.is_empty() => parts.join("/"),
            _ => "the folder".to_owned(),
        }
    }
}

fn remedy(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "give this program the permission to list, read and write there"
        }
        _ => "check BLOODBANK_ARCHIVE, the room that is left, and the permissions of this program there",
    }
}
