mod growth;
mod history;
mod historynear;
mod hot;
mod inline;
mod kvset;
mod lastmodified;
mod tree;
mod wide;

use clap::ValueEnum;

use crate::Result;
use crate::cli::RunOptions;
use crate::record::Record;

/// A piece of work that every subject can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// 10 000 `set`s on one branch, a commit each, then 10 000 `find`s at the head.
    Kvset,
    /// 100 000 entries of depth 3 built as one tree and committed, then read at random.
    Tree,
    /// Updates of one directory of 100 000 entries (10 000 when quick), a commit each.
    Wide,
    /// What operations on one directory cost as it grows from 1000 to 1 000 000 entries.
    Growth,
    /// What the length up to which contents stand in their entry costs, for values of many lengths.
    Inline,
    /// Lowest common ancestors on 10 000 commits that fork at half, and the graph.
    History,
    /// Lowest common ancestors one commit past a line of 100 000, and the index of it.
    Historynear,
    /// The last commit that changed a path.
    Lastmodified,
    /// 1, 8, 64 and 256 writers of one branch by each strategy, and 64 writers of a branch each.
    Hot,
}

impl Workload {
    /// Returns the workloads that were named, or all of them.
    pub(crate) fn chosen(named: &[Self]) -> Vec<Self> {
        if named.is_empty() { Self::value_variants().to_vec() } else { named.to_vec() }
    }

    /// Prints what is to be said beside the figures of the steps.
    pub(crate) fn print_summary(self, records: &[Record]) {
        match self {
            Self::Growth => growth::print_table(records),
            Self::Hot => hot::print_table(records),
            _ => {}
        }
    }

    pub(crate) async fn run(self, options: &RunOptions) -> Result<Vec<Record>> {
        match self {
            Self::Kvset => kvset::run(options).await,
            Self::Tree => tree::run(options).await,
            Self::Wide => wide::run(options).await,
            Self::Growth => growth::run(options).await,
            Self::Inline => inline::run(options).await,
            Self::History => history::run(options).await,
            Self::Historynear => historynear::run(options).await,
            Self::Lastmodified => lastmodified::run(options).await,
            Self::Hot => hot::run(options),
        }
    }
}
