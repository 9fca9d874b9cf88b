use crate::cli::{RunOptions, Scale};
use crate::fixture::Place;
use crate::peer::{Peer, PeerStore, Skill};
use crate::subject::Subject;
use crate::{Result, record::Record};

/// What a workload is given: who takes part, how large it is, and where it may write.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a RunOptions,
    pub(crate) peers: &'a [&'static dyn Peer],
}

impl Context<'_> {
    /// Returns whether a subject takes part.
    pub(crate) fn has(&self, subject: Subject) -> bool {
        self.options.has(subject)
    }

    /// Returns those of Ramus that take part.
    pub(crate) fn ramus(&self) -> impl Iterator<Item = Subject> + use<'_> {
        Subject::RAMUS.into_iter().filter(|subject| self.has(*subject))
    }

    /// Returns those of Ramus that take part where one caller does one thing at a time.
    pub(crate) fn ramus_alone(&self) -> impl Iterator<Item = Subject> + use<'_> {
        Subject::RAMUS_ALONE.into_iter().filter(|subject| self.has(*subject))
    }

    /// Returns the peers that take part.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &'static dyn Peer> + use<'_> {
        self.peers.iter().copied().filter(|peer| self.has(Subject::Peer(peer.name())))
    }

    /// Returns the peers that take part and have this skill.
    pub(crate) fn skilled(
        &self,
        skill: Skill,
    ) -> impl Iterator<Item = &'static dyn Peer> + use<'_> {
        self.peers().filter(move |peer| peer.skills().contains(&skill))
    }

    /// Returns the size of a workload: of a run in seconds, or of its definition.
    pub(crate) fn size<T>(&self, quick: T, full: T) -> T {
        if self.options.scale == Scale::Full { full } else { quick }
    }

    /// Returns the size of a workload, of which a quick run does less where each operation waits for a disk.
    pub(crate) fn size_for<T>(&self, subject: Subject, synced: T, quick: T, full: T) -> T {
        let waits = matches!(subject, Subject::RamusPack | Subject::RamusPackCaller);
        let quick = if waits { synced } else { quick };
        self.size(quick, full)
    }

    /// Returns a new place for a subject.
    pub(crate) fn place(&self, subject: Subject) -> Result<Place> {
        Place::new(subject, self.options.directory.as_deref())
    }

    /// Opens a peer in a directory that lives as long as what stands beside it.
    pub(crate) fn open(&self, peer: &dyn Peer) -> Result<(Box<dyn PeerStore>, Place)> {
        let place = self.place(Subject::Floor)?;
        Ok((peer.open(place.directory()?)?, place))
    }
}

/// What a workload comes to.
pub(crate) type Measured = Result<Vec<Record>>;
