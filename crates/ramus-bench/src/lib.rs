//! Side-by-side benchmarks of Ramus: the same work on each subject, with the floor beside it.
//!
//! ```sh
//! cargo run --release -p ramus-bench -- run
//! cargo run --release -p ramus-bench -- run kvset wide --scale full --repeat 5 --json figures.jsonl
//! ```
//!
//! A *workload* has *steps*; of each step the time for one operation is printed, and its ratio to the
//! *floor*: the least that the machine has to do for it, measured in the same run.
//!
//! Who does the work is a *subject*: `ramus-mem`, `ramus-pack` (an answer waits for an fsync),
//! `ramus-pack-caller` (whoever waits does it), `ramus-pack-os` (it waits for the kernel), `floor` (with it
//! `floor-sync` and `floor-os` where that makes a difference), and the [peers](Peer) that the program was built with. Each subject
//! does each workload in a process of its own, in turns when there are rounds, so that its largest size in
//! memory is its own; where single operations are compared with their floor, both are in one process, in
//! turns. What subjects find is compared, too: a run in which it differs fails.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]
#![expect(
    clippy::future_not_send,
    reason = "a workload stays on its thread, and peers may have to"
)]

mod about;
mod cli;
mod context;
mod cpu;
mod fixture;
mod io;
mod line;
mod memory;
mod parent;
mod peer;
mod random;
mod ratio;
mod record;
mod report;
mod rss;
mod scale;
mod start;
mod subject;
mod table;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};

pub use peer::{Peer, PeerStore, Skill};

/// What can fail, with any cause.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Runs the program with these peers beside Ramus.
#[must_use]
pub fn run(peers: &[&'static dyn Peer]) -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => parent::run(&options, peers),
        Command::Measure(options) => parent::measure(&options, peers),
        Command::Scale(options) => scale::run(&options),
        Command::ScalePhase(options) => scale::measure(&options),
        Command::Report(options) => report::run(&options),
        Command::Prepare { directory } => parent::prepare(&directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
