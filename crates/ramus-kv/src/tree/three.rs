/// The three sides of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Three<T> {
    pub(crate) ancestor: T,
    pub(crate) ours: T,
    pub(crate) theirs: T,
}

impl<T> Three<T> {
    /// Returns the same with the sides changed over.
    pub(crate) fn mirrored(self) -> Self {
        let Self { ancestor, ours, theirs } = self;
        Self { ancestor, ours: theirs, theirs: ours }
    }

    /// Returns whether something holds for one of them.
    pub(crate) fn any(&self, mut holds: impl FnMut(&T) -> bool) -> bool {
        let Self { ancestor, ours, theirs } = self;
        holds(ancestor) || holds(ours) || holds(theirs)
    }
}
