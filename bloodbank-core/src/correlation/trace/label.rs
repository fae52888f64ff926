//! Labels of events, the same in every drawing.

use std::{borrow::Cow, collections::HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Trace, TraceEvent};

/// The lengths to which an id is shown: each to the end of one of its groups.
const GROUPS: [usize; 5] = [8, 13, 18, 23, 36];

pub(super) struct Labels {
    id_length: usize,
    /// The day of all events, if they share one.
    day: Option<chrono::NaiveDate>,
}

impl Labels {
    pub(super) fn of(trace: &Trace) -> Self {
        let ids: Vec<String> = trace.events.iter().map(|event| event.event_id.to_string()).collect();
        let is_enough = |length: &usize| {
            let mut seen = HashSet::new();
            ids.iter().all(|id| seen.insert(&id[..*length]))
        };
        let mut days = trace.events.iter().filter_map(|event| event.time).map(|time| time.date_naive());
        let first = days.next();
        Self {
            id_length: GROUPS.into_iter().find(is_enough).unwrap_or(36),
            day: first.filter(|first| days.all(|day| day == *first)),
        }
    }

    /// The day that all events share, which their times then leave out.
    pub(super) fn day(&self) -> Option<String> {
        self.day.map(|day| day.to_string())
    }

    pub(super) fn id(&self, id: Uuid) -> String {
        let mut text = id.to_string();
        text.truncate(self.id_length);
        text
    }

    pub(super) fn time(&self, time: DateTime<Utc>) -> String {
        let format = if self.day.is_some() { "%H:%M:%S%.3f" } else { "%Y-%m-%d %H:%M:%S%.3f" };
        time.format(format).to_string()
    }

    /// The id, the time and the program; empty where they are not known.
    pub(super) fn details(&self, event: &TraceEvent) -> [String; 3] {
        [
            self.id(event.event_id),
            event.time.map(|time| self.time(time)).unwrap_or_default(),
            event.app.as_deref().map(printable).unwrap_or_default().into_owned(),
        ]
    }

    /// The id, the time and the program in one line, as far as they are known.
    pub(super) fn details_in_line(&self, event: &TraceEvent) -> String {
        let mut details = self.details(event).to_vec();
        details.retain(|detail| !detail.is_empty());
        details.join(" · ")
    }
}

/// The routing key, or `(unknown)`.
pub(super) fn name(event: &TraceEvent) -> Cow<'_, str> {
    event.event_type.as_deref().map_or(Cow::Borrowed("(unknown)"), printable)
}

/// Escapes control characters, which move a cursor or change a colour: other programs write these values.
fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().flat_map(shown).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn shown(letter: char) -> impl Iterator<Item = char> {
    let escaped = letter.is_control().then(|| letter.escape_default());
    let plain = escaped.is_none().then_some(letter);
    escaped.into_iter().flatten().chain(plain)
}
