//! An archive of the journal, from a crate that is linked into the program.

use std::{fmt, sync::Arc};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Journal;
use crate::{error::Result, settings::Settings};

/// The provider of archives that is linked into this program. The crate `bloodbank-archive` submits it with
/// `inventory::submit!`, so that `BLOODBANK_ARCHIVE` alone lets a program read beyond its journal.
pub struct ArchiveProvider {
    /// Opens the archive at an address, which ends when this token is cancelled; it is looked at when it is read.
    pub open: fn(address: &str, closing: CancellationToken) -> Result<Arc<dyn Journal>>,
}

inventory::collect!(ArchiveProvider);

impl ArchiveProvider {
    /// Opens the archive of the settings; `None`: they name none, or no provider is linked, which is said in the log. It is no error:
    /// services share their settings with the program that archives, and need not read what is archived.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`](crate::ErrorKind::Settings) when the address is none, or names a place that is not built in.
    pub fn archive(settings: &Settings, closing: CancellationToken) -> Result<Option<Arc<dyn Journal>>> {
        let Some(address) = settings.archive.as_deref() else { return Ok(None) };
        let Some(provider) = inventory::iter::<Self>.into_iter().next() else {
            warn!(
                "BLOODBANK_ARCHIVE is set, and this program does not read the archive: it was built without it; add the crate \
                 `bloodbank-archive` and `use bloodbank_archive as _;`, or the feature `archive` of `bb`, or unset it"
            );
            return Ok(None);
        };
        (provider.open)(address, closing).map(Some)
    }
}

impl fmt::Debug for ArchiveProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveProvider").finish_non_exhaustive()
    }
}
