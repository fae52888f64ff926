//! An archive: its place, its segments, and what is in them.

use std::{fmt, future::Future, sync::Arc};

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalEntry},
};
use object_store::{ObjectStore, path::Path};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::{
    index::{Index, not_there},
    place::Place,
    segment::{Segment, decode},
};

/// An archive of a journal: Parquet files, each with a range of offsets. It is itself a [`Journal`], which ends where the last
/// file ends; an [`Archiver`](crate::Archiver) writes it.
///
/// ```
/// # use bloodbank_archive::Archive;
/// use bloodbank_core::store::Journal;
///
/// let archive = Archive::open("/srv/archive")?;
/// assert_eq!(archive.describe(), "the archive /srv/archive");
/// # Ok::<(), bloodbank_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Archive {
    pub(crate) place: Place,
    closing: CancellationToken,
}

impl Archive {
    /// Opens the archive at an address: a folder, `file:///folder`, and with the cargo features `s3`, `gcs` and `azure`
    /// `s3://bucket/folder`, `gs://bucket/folder` and `az://container/folder`. Credentials are those of the environment: `AWS_…`,
    /// `GOOGLE_…`, `AZURE_…`. The place is looked at when it is used.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the address is none, or needs a feature that is not built in.
    pub fn open(address: &str) -> Result<Self> {
        Ok(Self { place: Place::open(address)?, closing: CancellationToken::new() })
    }

    /// Creates an archive in a folder of this store of objects. Messages call it by this name.
    #[must_use]
    pub fn in_store(store: Arc<dyn ObjectStore>, folder: Path, name: &str) -> Self {
        Self {
            place: Place { store, root: folder, shown: name.into(), folder: None },
            closing: CancellationToken::new(),
        }
    }

    /// Answers everything with [`ErrorKind::Closed`] after this token is cancelled.
    #[must_use]
    pub fn closed_by(mut self, closing: CancellationToken) -> Self {
        self.closing = closing;
        self
    }

    /// Does something with the store, unless the archive is closed before it is done.
    pub(crate) async fn unless_closed<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {
                Err(Error::new(ErrorKind::Closed, format!("{} was closed by this program; connect again", self.describe())))
            }
            done = work => done,
        }
    }

    pub(crate) async fn index(&self) -> Result<Index> {
        self.unless_closed(Index::read(&self.place)).await
    }

    /// The entries of a segment.
    pub(crate) async fn entries_of(&self, segment: Segment) -> Result<Vec<JournalEntry>> {
        let path = segment.path(&self.place.root);
        let Some(file) = self.unless_closed(self.place.read(&path)).await? else {
            return Err(not_there(&self.describe(), segment.first, segment.last));
        };
        // A decoder may panic where a file is not what it should be.
        let decoded = spawn_blocking(move || decode(file, &segment)).await;
        decoded.unwrap_or_else(|error| Err(error.into())).map_err(|error| {
            let (name, shown) = (self.place.name_of(&path), &self.place.shown);
            Error::new(
                ErrorKind::Storage,
                format!("{name} of the archive {shown} is damaged: {error}; put a copy of it in its place"),
            )
        })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Archive").field(&self.place.shown).finish()
    }
}
