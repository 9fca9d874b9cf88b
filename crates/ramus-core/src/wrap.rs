//! Stores over stores.

mod verified;

pub use verified::Verified;
