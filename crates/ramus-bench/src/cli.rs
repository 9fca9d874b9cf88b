use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::subject::Subject;
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
    /// Turn files of figures into a page in Markdown, with plots.
    Report(ReportOptions),
    /// Measure the durable backend with many blocks and a large repository.
    Scale(ScaleOptions),
    /// Do one phase of that in this process.
    #[command(hide = true)]
    ScalePhase(PhaseOptions),
    /// Measure one round in this process, and print it as JSON lines.
    #[command(hide = true)]
    Measure(RunOptions),
    /// Make the repository that the workload `memory` reads.
    #[command(hide = true)]
    Prepare {
        /// An empty directory.
        directory: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunOptions {
    /// The workloads; all of them if none is named.
    pub(crate) workloads: Vec<Workload>,
    /// How large they are.
    #[arg(long, value_enum, default_value_t = Scale::Quick)]
    pub(crate) scale: Scale,
    /// Who does the work; everyone if nobody is named.
    #[arg(long = "subject", value_name = "NAME")]
    pub(crate) subjects: Vec<String>,
    /// How often each workload is run; the medians are shown.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: usize,
    /// A file for the figures, as JSON lines.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Where directories are made for what is on disk; where temporary files are if it is not named.
    #[arg(long)]
    pub(crate) directory: Option<PathBuf>,
    /// With small caches, check that Ramus takes no more memory than twice the bytes of blocks, refs and
    /// log, and the caches; fail if a workload does.
    #[arg(long)]
    pub(crate) memory: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// Files that `run --json` wrote: each becomes a part of the page.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The page, such as `docs/performance.md`; the plots are put into a directory beside it, here
    /// `docs/performance`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// What is to be said at the head of the page, in Markdown.
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleOptions {
    /// How many blocks of 200 bytes; on disk they take about 270 bytes each.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) blocks: u64,
    /// How many entries the repository has.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) entries: u64,
    /// Where directories are made; where temporary files are if it is not named.
    #[arg(long)]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PhaseOptions {
    pub(crate) phase: Phase,
    pub(crate) directory: PathBuf,
    pub(crate) count: u64,
}

/// A part of a measurement that has a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    Build,
    Stall,
    Open,
    Write,
    Reopen,
    Fill,
    Read,
}

impl Phase {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Stall => "stall",
            Self::Open => "open",
            Self::Write => "write",
            Self::Reopen => "reopen",
            Self::Fill => "fill",
            Self::Read => "read",
        }
    }
}

/// How large the workloads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// Seconds.
    Quick,
    /// The sizes of their definitions.
    Full,
}

impl Scale {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

impl RunOptions {
    /// Returns whether a subject takes part.
    pub(crate) fn has(&self, subject: Subject) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|name| name == subject.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let arguments = [&["ramus-bench"], arguments].concat();
        Cli::try_parse_from(arguments).expect_err("it is refused").to_string()
    }

    #[test]
    fn an_unknown_workload_is_refused_with_those_that_there_are() {
        let refused = refused(&["run", "kvsett"]);
        assert!(refused.contains("invalid value 'kvsett'"), "{refused}");
        for known in ["ca64", "kvset", "wide10k", "lastmodified"] {
            assert!(refused.contains(known), "{known} is not in {refused}");
        }
    }

    #[test]
    fn a_report_wants_figures_and_a_page() {
        assert!(refused(&["report", "--out", "page.md"]).contains("<FILE>"));
        assert!(refused(&["report", "figures.jsonl"]).contains("--out <FILE>"));
    }
}
