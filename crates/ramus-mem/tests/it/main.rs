//! What the contracts promise beyond the laws, shown on the memory backend.

mod blocks;
mod erased;
mod joined;
mod open;
mod refs;
mod sweep;
mod verified;
