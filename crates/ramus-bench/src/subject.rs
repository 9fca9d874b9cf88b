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
    /// The least where an answer waits for an fsync; it is measured with the floor.
    FloorSync,
    /// The least where an answer waits for the kernel; it is measured with the floor.
    FloorOs,
    /// Somebody else.
    Peer(&'static str),
}

impl Subject {
    /// Those that are Ramus.
    pub(crate) const RAMUS: [Self; 3] = [Self::RamusMem, Self::RamusPack, Self::RamusPackOs];
    /// Those that are a floor.
    pub(crate) const FLOORS: [Self; 3] = [Self::Floor, Self::FloorSync, Self::FloorOs];

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
            Self::FloorSync => "floor-sync",
            Self::FloorOs => "floor-os",
            Self::Peer(name) => name,
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
