mod asked;
mod aw;
mod bulk;
mod ca;
mod cold;
mod diff;
mod durable;
mod durable64;
mod fanout;
mod floors;
mod growth;
mod history;
mod historynear;
mod hot;
mod inline;
mod kvset;
mod lastmodified;
mod memory;
mod merge;
mod proof;
mod reads;
mod tree;
mod versions;
mod watch;
mod wide;

use clap::ValueEnum;

use crate::context::{Context, Measured};
use crate::peer::Skill;
use crate::record::Record;
use crate::subject::Subject;

pub(crate) use memory::prepare;

/// A piece of work that every subject can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// 200 000 blocks of 64 bytes (quick: 100 000) added in one batch, found at random, added again.
    Ca64,
    /// 200 000 blocks of 4 KiB (quick: 20 000) added in one batch, found at random, added again.
    Ca4k,
    /// A ref that is set, tested and set, and found.
    Aw,
    /// One watcher of a ref: how many changes reach it in a time, and how soon.
    Watch1,
    /// 100 watchers of a ref.
    Watch100,
    /// 1, 100 and 10 000 watchers of a ref, and one that is slow.
    Fanout,
    /// What a watcher and a cached key take in memory.
    Memory,
    /// 10 000 `set`s on one branch (quick: 1000), a commit each, then as many `find`s at the head.
    Kvset,
    /// 100 000 entries of depth 3 built as one tree and committed, then read at random.
    Tree,
    /// Reads of that tree, by the store and by a tree value, and of paths that are absent.
    Reads,
    /// Updates of one directory of 10 000 entries, a commit each.
    Wide10k,
    /// Updates of one directory of 100 000 entries, a commit each.
    Wide,
    /// A merge of 1000 changes with 1000 others, in a tree of 100 000 entries.
    Merge,
    /// What differs between two versions of that tree, read afresh.
    Diff,
    /// A proof of 100 keys of that tree, made and verified.
    Proof,
    /// A proof of 100 keys of one directory of 100 000 entries.
    Proofwide,
    /// A million keys (quick: 100 000) in one commit, then read at random.
    Bulk,
    /// Reads after reopening, from the kernel's memory and from the disk.
    Cold,
    /// One durable update at a time, in turns with a write and fdatasync into a prewritten file.
    Durable,
    /// 64 writers of one branch and of a branch each, durable.
    Durable64,
    /// What operations on one directory cost as it grows from 1000 to 1 000 000 entries (quick: 100 000).
    Growth,
    /// What the length up to which contents stand in their entry costs, for values of many lengths.
    Inline,
    /// Lowest common ancestors on 10 000 commits that fork at half, and the graph.
    History,
    /// Lowest common ancestors one commit past a line of 100 000 (quick: 5000), and the index of it.
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

    /// Returns who takes part.
    pub(crate) fn subjects(self, context: &Context<'_>) -> Vec<Subject> {
        let peers = self.skill().into_iter().flat_map(|skill| context.skilled(skill));
        let is_durable = matches!(self, Self::Durable | Self::Durable64);
        let peers = peers.filter(|peer| !is_durable || peer.is_synced());
        let own = self.own().iter().copied().filter(|one| context.has(*one));
        own.chain(peers.map(|peer| Subject::Peer(peer.name()))).collect()
    }

    /// Returns those who take part wherever it is run.
    const fn own(self) -> &'static [Subject] {
        use Subject::{Floor, RamusMem, RamusPack, RamusPackCaller, RamusPackOs};
        match self {
            Self::Cold | Self::Durable64 => &[RamusPack, Floor],
            Self::Durable => &[RamusPack, RamusPackCaller, Floor],
            Self::Kvset | Self::Wide | Self::Wide10k => {
                &[RamusMem, RamusPack, RamusPackCaller, RamusPackOs, Floor]
            }
            // The strategies are those of the branch, and the threshold is that of the format: the backend is
            // not what is measured, and there is no floor.
            Self::Hot | Self::Inline => &[RamusMem],
            _ => &[RamusMem, RamusPack, RamusPackOs, Floor],
        }
    }

    /// Returns what a peer has to be able to do to take part, if peers can.
    const fn skill(self) -> Option<Skill> {
        match self {
            Self::Ca64 | Self::Ca4k => Some(Skill::Blocks),
            Self::Kvset | Self::Tree | Self::Wide10k | Self::Wide | Self::Bulk | Self::Durable => {
                Some(Skill::Values)
            }
            Self::Reads => Some(Skill::Values),
            // Those that keep their versions in tables of their own.
            Self::Durable64 | Self::Growth => Some(Skill::Group),
            Self::Merge => Some(Skill::Merge),
            Self::Diff => Some(Skill::Diff),
            Self::History | Self::Historynear => Some(Skill::Ancestors),
            Self::Lastmodified => Some(Skill::Changes),
            _ => None,
        }
    }

    /// Returns whether its subjects take turns in one process: their operations are compared one by one, or
    /// the floor needs to know what Ramus wrote.
    pub(crate) const fn is_in_one_process(self) -> bool {
        matches!(self, Self::Durable)
    }

    /// Prints what is to be said beside the figures of the steps.
    pub(crate) fn print_summary(self, records: &[Record]) {
        match self {
            Self::Growth => growth::print_table(records),
            Self::Hot => hot::print_table(records),
            _ => {}
        }
    }

    pub(crate) async fn run(self, context: &Context<'_>) -> Measured {
        match self {
            Self::Ca64 => ca::run(context, "ca64", 64).await,
            Self::Ca4k => ca::run(context, "ca4k", 4096).await,
            Self::Aw => aw::run(context).await,
            Self::Watch1 => watch::run(context, "watch1", 1).await,
            Self::Watch100 => watch::run(context, "watch100", 100).await,
            Self::Fanout => fanout::run(context).await,
            Self::Memory => memory::run(context).await,
            Self::Kvset => kvset::run(context).await,
            Self::Tree => tree::run(context).await,
            Self::Reads => reads::run(context).await,
            Self::Wide10k => wide::run(context, "wide10k", 10_000).await,
            Self::Wide => wide::run(context, "wide", 100_000).await,
            Self::Merge => merge::run(context).await,
            Self::Diff => diff::run(context).await,
            Self::Proof => proof::run(context, proof::Shape::Deep).await,
            Self::Proofwide => proof::run(context, proof::Shape::Wide).await,
            Self::Bulk => bulk::run(context).await,
            Self::Cold => cold::run(context).await,
            Self::Durable => durable::run(context).await,
            Self::Durable64 => durable64::run(context),
            Self::Growth => growth::run(context).await,
            Self::Inline => inline::run(context).await,
            Self::History => history::run(context).await,
            Self::Historynear => historynear::run(context).await,
            Self::Lastmodified => lastmodified::run(context).await,
            Self::Hot => hot::run(context.options),
        }
    }
}
