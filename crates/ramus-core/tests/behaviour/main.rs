//! What the wrappers and the opening of storages do, over the memory backend.

mod cached;
mod frozen;
mod laws;
mod metered;
mod opening;
mod prefixed;
mod support;
mod typed;
mod verified;
