use crate::Info;

/// A commit as it is stored: a root directory, the commits it came from, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBlock<H> {
    /// The hash of the root directory.
    pub root: H,
    /// The hashes of the commits that this one came from, in their order.
    pub parents: Vec<H>,
    /// What the commit says. Author and time are there.
    pub info: Info,
}
