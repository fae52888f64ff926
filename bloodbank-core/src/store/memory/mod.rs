//! Stores in the memory of this process, which end with it.

mod claims;
mod leases;
mod links;

pub use claims::MemoryClaims;
pub use leases::MemoryLeases;
pub use links::MemoryLinks;
