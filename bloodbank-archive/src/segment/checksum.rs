//! A checksum of what entries are. Parquet has one of each page, which its writer in Rust leaves out, and a compressed page whose
//! bits have turned may still be one.

use crc32fast::Hasher;

/// The parts of an entry from which it is made again.
pub(super) struct Parts<'a> {
    pub(super) offset: i64,
    pub(super) published_at: i64,
    pub(super) exchange: &'a [u8],
    pub(super) routing_key: &'a [u8],
    pub(super) properties: &'a [u8],
    pub(super) body: &'a [u8],
}

#[derive(Default)]
pub(super) struct Checksum(Hasher);

impl Checksum {
    pub(super) fn add(&mut self, parts: &Parts<'_>) {
        self.0.update(&parts.offset.to_le_bytes());
        self.0.update(&parts.published_at.to_le_bytes());
        for text in [parts.exchange, parts.routing_key, parts.properties, parts.body] {
            self.0.update(&(text.len() as u64).to_le_bytes());
            self.0.update(text);
        }
    }

    /// As it stands in the file.
    pub(super) fn digits(self) -> String {
        format!("{:08x}", self.0.finalize())
    }
}
