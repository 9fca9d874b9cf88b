use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::record::Subject;
use crate::workload::Workload;

/// Side-by-side benchmarks of Ramus.
#[derive(Debug, Parser)]
#[command(name = "ramus-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run workloads and print a table for each.
    Run(RunOptions),
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// The workloads; all of them if none is named.
    pub(crate) workloads: Vec<Workload>,
    /// How large they are.
    #[arg(long, value_enum, default_value_t = Scale::Quick)]
    pub(crate) scale: Scale,
    /// Who does the work; everyone if nobody is named.
    #[arg(long = "subject", value_enum)]
    pub(crate) subjects: Vec<Subject>,
    /// How often each workload is run; the medians are shown.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: usize,
    /// A file for the figures, as JSON lines.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// How large the workloads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// Seconds.
    Quick,
    /// The sizes of their definitions.
    Full,
}

impl RunOptions {
    /// Returns whether a subject takes part.
    pub(crate) fn has(&self, subject: Subject) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&subject)
    }
}
