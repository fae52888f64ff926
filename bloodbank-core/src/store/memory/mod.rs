//! Stores in the memory of this process, which end with it.

mod claims;
mod leases;
mod links;
mod parked_keys;

pub use claims::MemoryClaims;
pub use leases::MemoryLeases;
pub use links::MemoryLinks;
pub use parked_keys::MemoryParkedKeys;
