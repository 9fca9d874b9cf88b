//! Contents that are split: the same whichever way they are written and read.

mod damage;
mod format;
mod model;
mod sharing;
mod streams;
pub(crate) mod support;
