//! What the contracts promise beyond the laws, shown on the memory backend.

mod blocks;
mod sweep;
mod verified;
