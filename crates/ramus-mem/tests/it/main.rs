//! What the contracts promise beyond the laws, shown on the memory backend.

mod blocks;
mod erased;
mod joined;
mod refs;
mod sweep;
mod verified;
