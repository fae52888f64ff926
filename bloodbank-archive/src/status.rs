//! What an archive has.

use bloodbank_core::Result;

use crate::archive::Archive;

/// What an archive has, as the names of its files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveStatus {
    /// The number of segments, each of which is a file.
    pub segments: u64,
    /// The offsets of the oldest and the newest entry; `None`: there are none.
    pub range: Option<(u64, u64)>,
    /// The size of the files.
    pub bytes: u64,
    /// The first and the last offset of each range between segments that none has: entries that were removed from the journal before
    /// they were archived, or whose file is gone.
    pub missing: Vec<(u64, u64)>,
}

impl ArchiveStatus {
    /// The number of offsets of the journal that are not archived yet, when its newest entry has this one.
    #[must_use]
    pub fn lag(&self, tip: Option<u64>) -> u64 {
        let next = self.range.map_or(0, |(_, last)| last + 1);
        tip.map_or(0, |tip| tip.saturating_add(1).saturating_sub(next))
    }
}

impl Archive {
    /// Looks at what the archive has, by one listing.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](bloodbank_core::ErrorKind::Storage) when the store does not answer or refuses, or two files have
    /// the same offsets.
    pub async fn status(&self) -> Result<ArchiveStatus> {
        let index = self.index().await?;
        Ok(ArchiveStatus {
            segments: index.0.len() as u64,
            range: index.floor().zip(index.tip()),
            bytes: index.0.iter().map(|listed| listed.bytes).sum(),
            missing: index.missing(),
        })
    }
}
