//! The dialects of SQL.

use std::fmt;

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// Writes a statement in this dialect. Every clock is the database's.
    ///
    /// `{now}` is the time, and `{now ms}` the same as milliseconds since 1970; `{later:$n}` the time as many milliseconds later as parameter `n` says; `{ms:column}` a time
    /// as milliseconds since 1970; `{list:$n}` the integers of a JSON array,
    /// `{uuids:$n}` its ids, and `{members:$n}` its objects, with a `{member:name}` that is a text or a `{uuid member:name}`; `{skip locked}` what keeps two programs from taking the same row.
    pub(crate) fn write(self, template: &str) -> String {
        let mut statement = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            statement.push_str(before);
            let Some((name, after)) = after.split_once('}') else { break };
            self.expand(name, &mut statement);
            rest = after;
        }
        statement.push_str(rest);
        statement
    }

    /// Begins a transaction that will write.
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            Self::Postgres => "BEGIN",
            // Otherwise a transaction that reads first fails when it writes, because another one has written.
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// A setting for the transaction that claims rows, if any.
    pub(crate) const fn before_claim(self) -> Option<&'static str> {
        match self {
            // After many rows were deleted it takes the claim for so much work that it compiles the statement, for 200 ms.
            Self::Postgres => Some("SET LOCAL jit = off"),
            Self::Sqlite => None,
        }
    }

    fn expand(self, name: &str, statement: &mut String) {
        let (name, of) = name.split_once(':').unwrap_or((name, ""));
        let text = match (self, name) {
            (Self::Postgres, "now") => "clock_timestamp()".to_owned(),
            (Self::Sqlite, "now") => SQLITE_NOW.to_owned(),
            (Self::Postgres, "later") => format!("clock_timestamp() + {of}::bigint * interval '1 millisecond'"),
            (Self::Sqlite, "later") => format!("{SQLITE_NOW} + {of}"),
            (Self::Postgres, "now ms") => "(extract(epoch from clock_timestamp()) * 1000)::bigint".to_owned(),
            (Self::Sqlite, "now ms") => SQLITE_NOW.to_owned(),
            (Self::Postgres, "ms") => format!("(extract(epoch from {of}) * 1000)::bigint"),
            (Self::Sqlite, "ms") => of.to_owned(),
            (Self::Postgres, "list") => format!("(SELECT value::bigint FROM json_array_elements_text({of}::json))"),
            (Self::Sqlite, "list") => format!("(SELECT value FROM json_each({of}))"),
            (Self::Postgres, "uuids") => format!("(SELECT value::uuid FROM json_array_elements_text({of}::json))"),
            (Self::Sqlite, "uuids") => format!("(SELECT value FROM json_each({of}))"),
            // An `INSERT … SELECT … ON CONFLICT` of SQLite needs a `WHERE`.
            (Self::Postgres, "members") => format!("json_array_elements({of}::json) AS member WHERE true"),
            (Self::Sqlite, "members") => format!("json_each({of}) AS member WHERE true"),
            (Self::Postgres, "member") => format!("member->>'{of}'"),
            (Self::Postgres, "uuid member") => format!("(member->>'{of}')::uuid"),
            (Self::Sqlite, "member" | "uuid member") => format!("member.value->>'{of}'"),
            (Self::Postgres, "skip locked") => "FOR UPDATE SKIP LOCKED".to_owned(),
            // There is one writer at a time.
            (Self::Sqlite, "skip locked") => String::new(),
            (_, unknown) => unreachable!("`{unknown}` is no part of a statement"),
        };
        statement.push_str(&text);
    }
}

/// Milliseconds since 1970.
const SQLITE_NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_written_in_both_dialects() {
        let template = "UPDATE t SET a = {later:$2}, b = {now} WHERE c = $1 {skip locked}";
        assert_eq!(
            Dialect::Postgres.write(template),
            "UPDATE t SET a = clock_timestamp() + $2::bigint * interval '1 millisecond', b = clock_timestamp() WHERE \
             c = $1 FOR UPDATE SKIP LOCKED"
        );
        assert_eq!(
            Dialect::Sqlite.write(template),
            format!("UPDATE t SET a = {SQLITE_NOW} + $2, b = {SQLITE_NOW} WHERE c = $1 ")
        );
    }
}
