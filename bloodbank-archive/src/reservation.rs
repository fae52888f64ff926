//! Reservations: which entries the next segment has.
//!
//! The name of a segment says where it ends, and two archivers may end it elsewhere. So each segment is reserved before it is
//! written: an object that is named by the offset alone at which the segment before it ended, and written only where there is
//! none. Whoever finds one writes that segment. It makes a crash between the two harmless, and two archivers as well.

use bloodbank_core::{Error, ErrorKind, Result};
use chrono::NaiveDate;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{place::Place, segment::Segment, store::Created};

/// The folder of the reservations. Its name tells readers of Parquet folders to leave it alone.
pub(crate) const FOLDER: &str = "_reservations";

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Reservation {
    first: u64,
    last: u64,
    date: NaiveDate,
}

impl Place {
    /// The place of the reservation of the segment that begins after this many offsets.
    pub(crate) fn reservation(&self, next: u64) -> Path {
        self.root.clone().join(FOLDER).join(format!("{next:020}.json"))
    }

    /// The segment that is reserved at this offset, if one is.
    pub(crate) async fn reserved(&self, next: u64) -> Result<Option<Segment>> {
        let path = self.reservation(next);
        let Some(text) = self.read(&path).await? else { return Ok(None) };
        match serde_json::from_slice(&text) {
            Ok(Reservation { first, last, date }) if first <= last => Ok(Some(Segment { first, last, date })),
            _ => Err(Error::new(
                ErrorKind::Storage,
                format!("{} of the archive {} is damaged; remove it", self.name_of(&path), self.shown),
            )),
        }
    }

    /// Reserves a segment at this offset, unless one is reserved.
    pub(crate) async fn reserve(&self, next: u64, segment: &Segment) -> Result<Created> {
        let Segment { first, last, date } = *segment;
        // Plain data, which always has a form in JSON.
        let text = serde_json::to_vec(&Reservation { first, last, date }).unwrap_or_default();
        self.create(&self.reservation(next), text.into()).await
    }
}
