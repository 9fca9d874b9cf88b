//! The behaviour of the key-value store, through its public API.

mod mode;
mod probe;

mod contents;
mod format;
mod laws;
mod metadata;
mod smoke;
mod tree;
