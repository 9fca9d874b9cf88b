use ramus_core::Step;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value.
    Contents,
    /// A directory.
    Directory,
}

/// One entry of a directory, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// Its name.
    pub step: Step,
    /// What it leads to.
    pub kind: Kind,
}
