//! The behaviour of the key-value store, through its public API.

mod campaign;
mod mode;
mod probe;

mod contents;
mod decoders;
mod format;
mod laws;
mod metadata;
mod smoke;
mod tree;
