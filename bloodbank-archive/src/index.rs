//! The segments that there are, in the order of their offsets.

use bloodbank_core::{Error, ErrorKind, Result};

use crate::{place::Place, segment::Segment};

/// A segment, and the size of its file in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) segment: Segment,
    pub(crate) bytes: u64,
}

/// The segments of an archive. Each begins where the one before it ends; where it does not, entries are missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index(pub(crate) Vec<Listed>);

impl Index {
    /// Lists the segments of an archive.
    pub(crate) async fn read(place: &Place) -> Result<Self> {
        let mut found: Vec<Listed> = Vec::new();
        for object in place.list().await? {
            let segment = Segment::of_path(&object.location, &place.root);
            found.extend(segment.map(|segment| Listed { segment, bytes: object.size }));
        }
        found.sort_unstable_by_key(|listed| (listed.segment.first, listed.segment.last));
        for pair in found.windows(2) {
            let [one, next] = [pair[0].segment, pair[1].segment];
            if next.first <= one.last {
                let [one, next] = [one, next].map(|segment| place.name_of(&segment.path(&place.root)));
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!("the archive {} has the same offsets in {one} and {next}; remove one of them", place.shown),
                ));
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = Segment> + '_ {
        self.0.iter().map(|listed| listed.segment)
    }

    /// The offset of the first entry.
    pub(crate) fn floor(&self) -> Option<u64> {
        self.segments().next().map(|segment| segment.first)
    }

    /// The offset of the last entry.
    pub(crate) fn tip(&self) -> Option<u64> {
        self.segments().next_back().map(|segment| segment.last)
    }

    /// The ranges of offsets between segments that no segment has, oldest first.
    pub(crate) fn missing(&self) -> Vec<(u64, u64)> {
        let pairs = self.segments().zip(self.segments().skip(1));
        let missing = pairs.filter(|(one, next)| one.last + 1 < next.first);
        missing.map(|(one, next)| (one.last + 1, next.first - 1)).collect()
    }
}

/// The error of a reader that comes to offsets of which there is no file.
pub(crate) fn not_there(archive: &str, from: u64, to: u64) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!(
            "{archive} has no file with the entries {from} to {to}: they were removed before they were archived, or their file is \
             gone; put it back, or begin again at {}",
            to.saturating_add(1)
        ),
    )
}
