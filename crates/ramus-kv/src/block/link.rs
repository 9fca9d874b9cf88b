/// What a block names: another block, and what that has to be.
///
/// [`Format::links`](crate::Format::links) lists these for any block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link<H> {
    /// A parent of a commit.
    Commit(H),
    /// A block of a directory: the root of one, or one below its root.
    Directory(H),
    /// A block of contents: all of them, or an index block or a chunk of large ones.
    Contents(H),
}

impl<H: Copy> Link<H> {
    /// Returns the hash of the block that is named.
    pub const fn hash(&self) -> H {
        match self {
            Self::Commit(hash) | Self::Directory(hash) | Self::Contents(hash) => *hash,
        }
    }
}
