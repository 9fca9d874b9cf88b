use std::error::Error as StdError;
use std::fmt;

use ramus_core::{Error, Hash, Namespace, RefName};

/// Why a branch or a tag was left as it is.
///
/// It is the source of the error, which is of kind
/// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput):
///
/// ```
/// use ramus_core::{Error, Sha1};
/// use ramus_kv::RefFault;
///
/// fn is_taken(error: &Error) -> bool {
///     let source = std::error::Error::source(error);
///     let fault = source.and_then(|cause| cause.downcast_ref::<RefFault<Sha1>>());
///     matches!(fault, Some(RefFault::Exists { .. }))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefFault<H> {
    /// There is one of that name already.
    Exists {
        /// Its name.
        name: RefName,
        /// The commit that it is on.
        holds: H,
    },
    /// There is none of that name.
    Absent {
        /// The name.
        name: RefName,
    },
}

impl<H: Hash> RefFault<H> {
    /// Returns the error that says what was attempted.
    pub(crate) fn while_doing(self, attempted: impl Into<String>) -> Error {
        Error::invalid_input(attempted).with_source(self)
    }
}

impl<H: Hash> fmt::Display for RefFault<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { name, holds } => {
                let (noun, short) = (noun(name), name.name());
                let instead = match name.namespace() {
                    Namespace::Branch => "take another name, or open it and set its head",
                    _ => "take another name, or remove it first",
                };
                write!(f, "{noun} `{short}` exists, on commit {holds}; {instead}")
            }
            Self::Absent { name } => {
                write!(
                    f,
                    "{} `{}` does not exist; create it first, or take another name",
                    noun(name),
                    name.name()
                )
            }
        }
    }
}

impl<H: Hash> StdError for RefFault<H> {}

/// Returns what a ref is called in a message.
pub(crate) fn noun(name: &RefName) -> &'static str {
    match name.namespace() {
        Namespace::Branch => "branch",
        Namespace::Tag => "tag",
        _ => "ref",
    }
}
