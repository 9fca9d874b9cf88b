//! What the contracts promise beyond the laws, shown on the memory backend.

mod at_once;
mod blocks;
mod erased;
mod hooked;
mod joined;
mod open;
mod refs;
mod storage;
mod sweep;
mod verified;
