use std::fmt;
use std::io;

use ramus_core::{Hash, RefName};

use crate::error::{PackError, PackResult};

/// What a repair found, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired<H> {
    /// What is damaged; the first 1000 of it.
    pub damages: Vec<Damage>,
    /// How many damages there are.
    pub damages_count: u64,
    /// How many blocks there are.
    pub blocks: u64,
    /// How many blocks are lost, of those of which something is known: an index has them, or their record
    /// says what it held.
    pub blocks_lost: u64,
    /// How many changes of the log are lost between some that are not.
    pub changes_lost: u64,
    /// The log has more changes than the 262 144 newest ones, and the others were not looked at: a ref whose
    /// block is lost goes back no further. If the file of the refs is lost, too, those that were changed
    /// before are [forgotten](Self::refs_forgotten).
    pub changes_left_out: bool,
    /// How many changes are sound and not kept, since the log goes on without them: others before or after
    /// them are lost, or the refs are not what they lead to.
    pub changes_forgotten: u64,
    /// The newest changes may be lost, too: as many as there were after the last one that could be read.
    pub newest_changes_lost: bool,
    /// The file of the refs is lost, and the log does not go back to its beginning: refs that were not
    /// changed since are missing, and nothing tells their names.
    pub refs_forgotten: bool,
    /// How many refs there are.
    pub refs: usize,
    /// The refs whose block is lost.
    pub refs_set_back: Vec<RefSetBack<H>>,
    /// The refs that may have been changed by changes that are lost: what they name is what they named
    /// at some time, and may not be the newest.
    pub refs_unsure: Vec<RefName>,
    /// The directory below that of the repository that has the files as they were; nothing if there was
    /// nothing to repair, or in a dry run.
    pub set_aside: Option<String>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The name of the file.
    pub file: String,
    /// The place in it, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

/// A ref whose block is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefSetBack<H> {
    /// The name of the ref.
    pub name: RefName,
    /// What it named.
    pub from: H,
    /// What it names now: the newest value of which the log tells that is there. Nothing if there is
    /// none; then the ref is gone.
    pub to: Option<H>,
}

impl<H> Repaired<H> {
    const DAMAGES_MAX: usize = 1000;

    pub(super) const fn nothing() -> Self {
        Self {
            damages: Vec::new(),
            damages_count: 0,
            blocks: 0,
            blocks_lost: 0,
            changes_lost: 0,
            changes_left_out: false,
            changes_forgotten: 0,
            newest_changes_lost: false,
            refs_forgotten: false,
            refs: 0,
            refs_set_back: Vec::new(),
            refs_unsure: Vec::new(),
            set_aside: None,
        }
    }

    /// Returns whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.damages_count == 0 && self.refs_set_back.is_empty()
    }

    /// Returns whether the refs are what the changes of the log lead to, and none of the newest is lost.
    pub(super) const fn log_is_whole(&self) -> bool {
        let complete = self.changes_lost == 0 && !self.newest_changes_lost && !self.refs_forgotten;
        complete && self.refs_set_back.is_empty() && self.refs_unsure.is_empty()
    }

    pub(super) fn add(&mut self, damage: Damage) {
        self.damages_count += 1;
        if self.damages.len() < Self::DAMAGES_MAX {
            self.damages.push(damage);
        }
    }
}

impl<H: Hash> fmt::Display for Repaired<H> {
    /// Writes a line for each thing that a user has to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damages {
            writeln!(f, "{damage}")?;
        }
        let more = self.damages_count - self.damages.len() as u64;
        if more > 0 {
            writeln!(f, "and {more} more damages")?;
        }
        writeln!(f, "{} blocks, {} lost", self.blocks, self.blocks_lost)?;
        if self.changes_lost > 0 {
            writeln!(f, "{} changes are lost", self.changes_lost)?;
        }
        if self.changes_left_out {
            writeln!(f, "changes before the newest 262144 were not looked at")?;
        }
        if self.changes_forgotten > 0 {
            writeln!(f, "{} changes are sound and forgotten", self.changes_forgotten)?;
        }
        if self.newest_changes_lost {
            writeln!(f, "the newest changes may be lost")?;
        }
        if self.refs_forgotten {
            writeln!(
                f,
                "refs that were not changed for long are lost, and nothing tells their names"
            )?;
        }
        for RefSetBack { name, from, to } in &self.refs_set_back {
            let to = to.map_or_else(|| "is gone".to_owned(), |to| format!("goes back to {to}"));
            writeln!(f, "{name} named {from}, which is lost, and {to}")?;
        }
        for name in &self.refs_unsure {
            writeln!(f, "{name} may have been changed by a change that is lost")?;
        }
        write!(f, "{} refs", self.refs)?;
        match &self.set_aside {
            Some(directory) => write!(f, "\nwhat was there before is in {directory}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, what } = self;
        write!(f, "{file}, byte {offset}: {what}")
    }
}

impl Damage {
    pub(super) fn new(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), offset, what: what.into() }
    }

    /// Returns the damage that an error tells of, which was met in this file.
    ///
    /// # Errors
    ///
    /// The error, if it is none: the format is of a later version, or the system could not read.
    pub(super) fn of(file: &str, error: PackError) -> PackResult<Self> {
        match error {
            PackError::Damaged { file, offset, source } => {
                Ok(Self::new(&file, offset, source.to_string()))
            }
            PackError::Io { source, what } | PackError::Read { source, what } => {
                match source.kind() {
                    io::ErrorKind::NotFound => Ok(Self::new(file, 0, "it is missing")),
                    io::ErrorKind::UnexpectedEof => Ok(Self::new(file, 0, "it ends too early")),
                    io::ErrorKind::InvalidData => Ok(Self::new(file, 0, source.to_string())),
                    _ => Err(PackError::Io { what, source }),
                }
            }
            error => Err(error),
        }
    }
}
