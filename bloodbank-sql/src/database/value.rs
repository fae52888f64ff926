//! Values of parameters and columns.

use uuid::Uuid;

/// The value of a parameter or a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A text; `None` is `NULL`.
    Text(Option<String>),
    /// An integer of 64 bits; `None` is `NULL`.
    Integer(Option<i64>),
    /// A UUID: PostgreSQL's `uuid`, and a text with hyphens in SQLite.
    Uuid(Uuid),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

/// A row of a result.
#[derive(Debug)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    /// The text in a column; an empty one where it is `NULL`.
    pub(crate) fn text(&self, column: usize) -> String {
        self.optional_text(column).unwrap_or_default()
    }

    pub(crate) fn optional_text(&self, column: usize) -> Option<String> {
        match self.0.get(column) {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Uuid(id)) => Some(id.to_string()),
            Some(Value::Integer(_) | Value::Bytes(_)) | None => None,
        }
    }

    /// The integer in a column; 0 where it is `NULL`.
    pub(crate) fn integer(&self, column: usize) -> i64 {
        self.optional_integer(column).unwrap_or_default()
    }

    pub(crate) fn optional_integer(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => *number,
            Some(Value::Text(_) | Value::Uuid(_) | Value::Bytes(_)) | None => None,
        }
    }

    /// The bytes in a column; none where it is `NULL`.
    pub(crate) fn bytes(&self, column: usize) -> Vec<u8> {
        match self.0.get(column) {
            Some(Value::Bytes(bytes)) => bytes.clone(),
            Some(Value::Text(_) | Value::Integer(_) | Value::Uuid(_)) | None => Vec::new(),
        }
    }

    /// The id in a column; the nil id where there is none.
    pub(crate) fn uuid(&self, column: usize) -> Uuid {
        match self.0.get(column) {
            Some(Value::Uuid(id)) => *id,
            Some(Value::Text(Some(text))) => text.parse().unwrap_or_default(),
            Some(Value::Text(None) | Value::Integer(_) | Value::Bytes(_)) | None => Uuid::nil(),
        }
    }
}
