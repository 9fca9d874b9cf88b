//! Side-by-side benchmarks of Ramus: the same work on each subject, with the floor beside it.
//!
//! ```sh
//! cargo run --release -p ramus-bench -- run
//! cargo run --release -p ramus-bench -- run growth --scale full --json growth.jsonl
//! ```
//!
//! A *workload* has *steps*; of each step the time for one operation is printed, and its ratio to the
//! *floor*: the least that the machine has to do for it, measured in the same run.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

mod cli;
mod cpu;
mod fixture;
mod random;
mod record;
mod rss;
mod table;
mod workload;

use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command, RunOptions};
use crate::workload::Workload;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let Command::Run(options) = Cli::parse().command;
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &RunOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut lines = options.json.as_ref().map(File::create).transpose()?;
    for workload in Workload::chosen(&options.workloads) {
        let rounds = (0..options.repeat.max(1)).map(|_| runtime.block_on(workload.run(options)));
        let records = record::medians(rounds.collect::<Result<_>>()?);
        table::print(&records);
        workload.print_summary(&records);
        for record in &records {
            if let Some(lines) = &mut lines {
                writeln!(lines, "{}", serde_json::to_string(record)?)?;
            }
        }
    }
    Ok(())
}
