//! The behaviour of the key-value store, through its public API.

mod campaign;
mod mode;
mod model;
mod probe;

mod at_hand;
mod check;
mod containers;
mod contents;
mod contents_types;
mod costs;
mod decoders;
mod derive;
mod diff;
mod directories;
mod format;
mod history;
mod large;
mod laws;
mod merge;
mod merge_model;
mod merge_rules;
mod messages;
mod metadata;
mod note;
mod proof;
mod replicas;
mod saves;
mod smoke;
mod tree;
mod tree_model;
mod walks;
mod wide;
