use crate::{Error, Key, Namespace, RefName, Result};

/// A key that can stand below a prefix, for [`Prefixed`](super::Prefixed).
///
/// The prefix goes into the canonical bytes of the key, after a *head* that stays in front. A
/// `String` has no head: `main` below `tenant-7/` is `tenant-7/main`. The head of a [`RefName`] is
/// its namespace: `branch/main` becomes `branch/tenant-7/main`.
///
/// # What is promised
///
/// - The length of the head is told by the bytes of the head alone, whatever follows it.
/// - With a prefix that [`check_prefix`](PrefixKey::check_prefix) takes, any key becomes the bytes of
///   a key again, or of nothing if it gets too long; what is left of a key below the prefix without
///   it are the bytes of a key, or of nothing.
pub trait PrefixKey: Key {
    /// Returns how many of these bytes, which begin a key, are its head; nothing if they end before
    /// that can be told.
    fn head_length(bytes: &[u8]) -> Option<usize>;

    /// Refuses what cannot be a prefix.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), saying what would be right.
    fn check_prefix(prefix: &str) -> Result<()>;
}

/// Any text is a prefix, the empty one excepted.
impl PrefixKey for String {
    fn head_length(_bytes: &[u8]) -> Option<usize> {
        Some(0)
    }

    fn check_prefix(prefix: &str) -> Result<()> {
        refuse_empty(prefix)
    }
}

/// A prefix is whole parts of a name, each with its slash: `tenant-7/`.
impl PrefixKey for RefName {
    fn head_length(bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| *byte == b'/').map(|slash| slash + 1)
    }

    fn check_prefix(prefix: &str) -> Result<()> {
        refuse_empty(prefix)?;
        let shown = prefix.escape_debug();
        if !prefix.ends_with('/') {
            return Err(Error::invalid_input(format!(
                "prefix `{shown}` of ref names has to end in `/`"
            )));
        }
        // The shortest name below it stands for all.
        match Self::new(Namespace::Branch, &format!("{prefix}x")) {
            Ok(_) => Ok(()),
            Err(cause) => Err(Error::invalid_input(format!(
                "no ref name can begin with the prefix `{shown}`"
            ))
            .with_source(cause)),
        }
    }
}

fn refuse_empty(prefix: &str) -> Result<()> {
    if prefix.is_empty() {
        return Err(Error::invalid_input("the prefix is empty, which would show the whole store"));
    }
    Ok(())
}
