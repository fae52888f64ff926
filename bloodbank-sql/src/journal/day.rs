//! A day of the journal: what was written on it is one partition, and goes with it.

use chrono::{DateTime, NaiveDate};

/// A day by UTC, as the number of days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub(super) i32);

/// Today by the clock of the database, as SQL.
pub(super) const TODAY: &str = "(clock_timestamp() AT TIME ZONE 'UTC')::date";

impl Day {
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(super) fn date(self) -> NaiveDate {
        DateTime::from_timestamp(i64::from(self.0) * 86_400, 0).unwrap_or_default().date_naive()
    }

    /// The name of the partition of this day.
    pub(super) fn partition_of(self, table: &str) -> String {
        format!("{table}_{}", self.date().format("%Y%m%d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_known_by_its_number_and_names_its_partition() {
        let day = Day(20_787);
        assert_eq!(day.date().to_string(), "2026-11-30");
        assert_eq!(day.next().partition_of("bloodbank_journal"), "bloodbank_journal_20261201");
    }
}
