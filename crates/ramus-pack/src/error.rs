use std::io;

use ramus_core::{Error, ErrorKind};

use crate::format::Fault;
use crate::format::manifest::FileKind;

/// What went wrong below the contracts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    #[error("cannot {what}")]
    Io { what: String, source: io::Error },
    /// What is there cannot be read, or not now.
    #[error("cannot {what}")]
    Read { what: String, source: io::Error },
    /// Nothing is known of what was written before.
    #[error("cannot {what}")]
    Sync { what: String, source: io::Error },
    #[error("{file} is damaged at byte {offset}")]
    Damaged { file: String, offset: u64, source: Fault },
    #[error("cannot read {file}")]
    Later { file: String, source: Fault },
    #[error(
        "the directory has used up the numbers of its files; copy what it holds into a new one"
    )]
    NoNumbers,
    /// Whoever merges runs is not to go on.
    #[error("the merge of indexes was given up")]
    GivenUp,
}

pub(crate) type PackResult<T> = Result<T, PackError>;

impl PackError {
    /// Returns what makes an error of a failure to do this: `write 00000001.segment`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { what: what.into(), source }
    }

    /// Returns what makes an error of a failure to read what was there before.
    pub(crate) fn read(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read { what: what.into(), source }
    }

    /// Returns what makes an error of a sync that failed: `sync 00000001.segment`.
    pub(crate) fn sync(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Sync { what: what.into(), source }
    }

    /// Returns what makes an error of a fault in this file.
    pub(crate) fn fault(file: &str, offset: u64) -> impl FnOnce(Fault) -> Self {
        move |source| {
            let file = file.to_owned();
            match source {
                Fault::Damaged(_) => Self::Damaged { file, offset, source },
                Fault::Later(_) | Fault::NeedsZstd => Self::Later { file, source },
            }
        }
    }

    /// Returns what the file system said, if it was asked.
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } | Self::Read { source, .. } | Self::Sync { source, .. } => {
                Some(source.kind())
            }
            Self::Damaged { .. } | Self::Later { .. } | Self::NoNumbers | Self::GivenUp => None,
        }
    }

    /// Returns whether what was to be read is damaged, or the disk cannot read it: to try it again, or to
    /// write elsewhere, does not depend on it.
    pub(crate) const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Read { .. })
    }

    /// Returns whether there was no room on the disk, or for another open file, so that the same may
    /// succeed later.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source) || has_too_many_files(source))
    }
}

/// Refuses to give this number to a file, if it is too high.
pub(crate) const fn ensure_numbers(next_file: u32) -> PackResult<()> {
    if next_file < FileKind::NUMBERS_END { Ok(()) } else { Err(PackError::NoNumbers) }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};

    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Too many open files, of the process and of the system: `EMFILE` and `ENFILE` where this runs.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

impl From<PackError> for Error {
    fn from(error: PackError) -> Self {
        let message = error.to_string();
        match error {
            PackError::Damaged { source, .. } => {
                Self::corrupt(format!("{message}: {REPAIR}")).with_source(source)
            }
            PackError::Later { source, .. } => {
                Self::new(ErrorKind::Unsupported, message).with_source(source)
            }
            PackError::NoNumbers => Self::new(ErrorKind::Limit, message),
            PackError::GivenUp => Self::new(ErrorKind::Unavailable, message),
            PackError::Io { source, .. } | PackError::Read { source, .. } => {
                let advice =
                    advice(&source).map_or_else(String::new, |advice| format!(": {advice}"));
                Self::new(kind(&source), message + &advice).with_source(source)
            }
            // What was written may be there or not, whatever the reason.
            PackError::Sync { source, .. } => {
                Self::new(ErrorKind::Unavailable, message).with_source(source)
            }
        }
    }
}

/// What would be right where bytes are not what was written.
const REPAIR: &str = "`ramus_pack::repair` keeps what is sound";

/// Returns what would be right, where it is not for this program to put it right.
fn advice(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::{
        InvalidData, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull, UnexpectedEof,
    };

    if has_too_many_files(error) {
        return Some(
            "let the process open more files (`ulimit -n`), or let it keep fewer open (`open_files_max`; with `mode=read` each segment takes one)",
        );
    }
    match error.kind() {
        StorageFull | QuotaExceeded => Some(
            "there is no room for it: make some, and ask again; what is there can be read meanwhile",
        ),
        PermissionDenied => Some(
            "give it the permission to read and write there; to read is enough for `mode=read`",
        ),
        ReadOnlyFilesystem => Some("it cannot be written there; open it with `mode=read`"),
        NotADirectory => Some("give the path of a directory"),
        NotFound | UnexpectedEof | InvalidData => Some(REPAIR),
        _ => None,
    }
}

pub(crate) fn has_too_many_files(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

fn kind(error: &io::Error) -> ErrorKind {
    if is_full(error) || has_too_many_files(error) {
        return ErrorKind::Limit;
    }
    match error.kind() {
        io::ErrorKind::NotADirectory => ErrorKind::InvalidInput,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::Permission
        }
        // A file that counts is not there, or shorter than what is known to be in it.
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            ErrorKind::Corrupt
        }
        _ => ErrorKind::Unavailable,
    }
}
