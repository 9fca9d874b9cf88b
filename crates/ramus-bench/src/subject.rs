use serde::{Serialize, Serializer};

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Ramus on its memory backend.
    RamusMem,
    /// Ramus on its durable backend; an answer waits for an fsync.
    RamusPack,
    /// The same; whoever waits for it syncs, as most peers do.
    RamusPackCaller,
    /// The same as `RamusPack`; an answer waits for the kernel.
    RamusPackOs,
    /// The least that the machine has to do.
    Floor,
    /// Somebody else.
    Peer(&'static str),
}

impl Subject {
    /// Those that are Ramus.
    pub(crate) const RAMUS: [Self; 3] = [Self::RamusMem, Self::RamusPack, Self::RamusPackOs];

    /// The same, where one caller does one thing at a time.
    pub(crate) const RAMUS_ALONE: [Self; 4] =
        [Self::RamusMem, Self::RamusPack, Self::RamusPackCaller, Self::RamusPackOs];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RamusMem => "ramus-mem",
            Self::RamusPack => "ramus-pack",
            Self::RamusPackCaller => "ramus-pack-caller",
            Self::RamusPackOs => "ramus-pack-os",
            Self::Floor => "floor",
            Self::Peer(name) => name,
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
