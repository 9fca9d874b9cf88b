//! A storage that fails on command.

mod faults;
mod notices;
mod storage;

pub use faults::{Faults, Mishap, Operation};
pub use storage::{Faulty, FaultyBlocks, FaultyRefs, FaultySweep};
