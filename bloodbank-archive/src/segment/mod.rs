//! A segment: the entries of a range of offsets in one Parquet file, which is named by the range.
//!
//! - `columns`: the columns of the file.
//! - `encode`: entries as the bytes of a file.
//! - `decode`: the bytes of a file as entries, with a check of each.
//! - `checksum`: what the check compares.

mod checksum;
mod columns;
mod decode;
mod encode;

use chrono::NaiveDate;
use object_store::path::Path;

pub(crate) use self::{decode::decode, encode::encode};

/// A range of offsets, both included, and the day in whose folder its file lies: that of its first entry. No entry is of a later
/// day; one of an earlier day has a publisher whose clock is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) date: NaiveDate,
}

const EXTENSION: &str = ".parquet";

impl Segment {
    /// The place of its file below the folder of the archive.
    pub(crate) fn path(&self, root: &Path) -> Path {
        let Self { first, last, date } = self;
        root.clone().join(format!("date={date}")).join(format!("{first:020}-{last:020}{EXTENSION}"))
    }

    /// The segment of a file; `None`: it is something else.
    pub(crate) fn of_path(path: &Path, root: &Path) -> Option<Self> {
        let mut parts = path.prefix_match(root)?;
        let (folder, file, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
        let date = folder.as_ref().strip_prefix("date=")?.parse().ok()?;
        let (first, last) = file.as_ref().strip_suffix(EXTENSION)?.split_once('-')?;
        let (first, last) = (offset(first)?, offset(last)?);
        (first <= last).then_some(Self { first, last, date })
    }
}

/// An offset with all its digits.
fn offset(digits: &str) -> Option<u64> {
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_offsets_a_file_has() {
        let root = Path::from("a/b");
        let segment = Segment { first: 7, last: 1_234, date: NaiveDate::from_ymd_opt(2026, 11, 30).unwrap() };
        let path = segment.path(&root);
        assert_eq!(path.as_ref(), "a/b/date=2026-11-30/00000000000000000007-00000000000000001234.parquet");
        assert_eq!(Segment::of_path(&path, &root), Some(segment));
        for other in [
            "a/b/date=2026-11-30/7-9.parquet",
            "a/b/date=2026-11-30/00000000000000000009-00000000000000000007.parquet",
            "a/b/date=2026-11-31/00000000000000000007-00000000000000000009.parquet",
            "a/b/00000000000000000007-00000000000000000009.parquet",
            "a/b/date=2026-11-30/x/00000000000000000007-00000000000000000009.parquet",
            "a/date=2026-11-30/00000000000000000007-00000000000000000009.parquet",
            "a/b/date=2026-11-30/00000000000000000007-00000000000000000009.parquet.bak",
        ] {
            assert_eq!(Segment::of_path(&Path::from(other), &root), None, "{other}");
        }
    }

    #[test]
    fn odd_years_have_a_name_too() {
        for year in [-262_000, 0, 12_025] {
            let segment = Segment { first: 0, last: 0, date: NaiveDate::from_ymd_opt(year, 1, 2).unwrap() };
            assert_eq!(Segment::of_path(&segment.path(&Path::default()), &Path::default()), Some(segment), "{year}");
        }
    }
}
