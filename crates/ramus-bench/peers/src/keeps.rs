use ramus_bench::Skill;

/// What a store without versions of its own is made to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// The newest value under each path, and no more.
    Newest,
    /// In one transaction for each commit: the newest value under each path that was set, the same value
    /// under path and commit, the commit (parent, author, message, date), and the head.
    Versions,
}

impl Keeps {
    pub(crate) const fn skills(self) -> &'static [Skill] {
        match self {
            // Blocks are kept the same way by both, so one is enough.
            Self::Newest => &[Skill::Values],
            Self::Versions => {
                &[Skill::Blocks, Skill::Values, Skill::Versions, Skill::Group, Skill::Changes]
            }
        }
    }
}
