//! Whether the journal is still the one that was archived, and what it has removed meanwhile.

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalQuery, Position},
};
use futures_util::StreamExt;

use crate::{archive::Archive, segment::Segment};

/// Checks that the journal is the one that was archived: the offsets of another one mean other entries.
pub(super) async fn is_same(archive: &Archive, source: &dyn Journal, last: Segment) -> Result<()> {
    // An empty one may fill up again; an entry behind the archive is looked at then.
    let Some(tip) = source.tip().await? else { return Ok(()) };
    if tip < last.last {
        let why = format!("it ends at offset {tip}, and was archived up to {}", last.last);
        return Err(other(archive, source, &why));
    }
    if source.complete_from().await?.is_none_or(|from| from > last.last) {
        return Ok(());
    }
    let query = JournalQuery::all().before(last.last + 1);
    let Some(there) = source.read(query, Position::Offset(last.last)).next().await.transpose()? else { return Ok(()) };
    let entries = archive.entries_of(last).await?;
    let Some(archived) = entries.last() else { return Ok(()) };
    let is_same = there.event_id() == archived.event_id()
        && there.published_at.timestamp_micros() == archived.published_at.timestamp_micros();
    match is_same {
        true => Ok(()),
        false => Err(other(archive, source, &format!("its offset {} has another event", last.last))),
    }
}

/// What the journal has removed between the end of the archive and this entry, which is the first one that came.
pub(super) async fn lost_before(source: &dyn Journal, next: Option<u64>, first: u64) -> Result<Option<(u64, u64)>> {
    let Some(next) = next.filter(|next| *next < first) else { return Ok(None) };
    // Otherwise the offsets in between never were entries.
    let is_lost = source.complete_from().await?.is_some_and(|from| from > next);
    Ok(is_lost.then(|| (next, first - 1)))
}

fn other(archive: &Archive, source: &dyn Journal, why: &str) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!(
            "{} is not what {} has, or was deleted and made again ({why}); use another archive for it",
            source.describe(),
            archive.describe()
        ),
    )
}
