#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod archive;
mod archiver;
mod index;
mod journal;
mod leftovers;
mod limits;
mod place;
mod reader;
mod reservation;
mod segment;
mod status;
mod store;

pub use archive::Archive;
pub use archiver::{Archived, Archiver};
pub use limits::SegmentLimits;
pub use object_store;
pub use status::ArchiveStatus;

/// The examples of the page of the book.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/archive.md")]
struct Page;
