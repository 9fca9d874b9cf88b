use ramus_core::{Namespace, Outcome, RefName, Result};

use super::Repo;
use super::branches::exists;
use crate::{Commit, Heads, Schema};

/// # Tags
///
/// A tag is a name for a commit that never moves: nothing here makes a tag name another commit than
/// before. Who means that removes it and creates it anew. These are two updates and two operations
/// in the log, so everyone who follows the tag sees it gone in between, and nobody is given another
/// commit for it unawares.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let main = repo.main().await?;
/// let release = main.set("version", "1.0", "release").await?.expect("it changes something");
/// repo.create_tag("v1.0", &release).await?;
/// let next = main.set("version", "1.1", "go on").await?.expect("it changes something");
/// assert!(repo.create_tag("v1.0", &next).await.is_err(), "it is taken");
/// assert_eq!(repo.find_tag("v1.0").await?, Some(release));
/// assert_eq!(repo.tags("v1.").await?.collect().await?.len(), 1);
/// # Ok(())
/// # }
/// ```
impl<S: Schema> Repo<S> {
    /// Makes a tag on a commit. Making it again on the same commit is fine and changes nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if there is one of that name on another
    /// commit, with [`RefFault::Exists`](crate::RefFault::Exists) as its source. The same for a
    /// commit of another repository, and for a name that is none.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has made the tag or not.
    pub async fn create_tag(&self, name: &str, commit: &Commit<S>) -> Result<()> {
        let name = RefName::tag(name)?;
        self.check_commit(commit)?;
        let update = self.update(&format!("create tag {}", name.name())).await?;
        let update = update.test_and_set(name.clone(), None, Some(commit.hash()));
        match self.move_refs(update).await? {
            Outcome::Refused(refusal) if refusal.holds != Some(commit.hash()) => {
                Err(exists(refusal, format!("cannot create tag `{}`", name.name())))
            }
            Outcome::Refused(_) | Outcome::Applied(_) => Ok(()),
        }
    }

    /// Returns the commit that a tag names, or nothing if there is no such tag.
    ///
    /// # Errors
    ///
    /// [`Missing`](ramus_core::ErrorKind::Missing) if the commit is not in the store; never the
    /// answer that there is no tag.
    pub async fn find_tag(&self, name: &str) -> Result<Option<Commit<S>>> {
        let name = RefName::tag(name)?;
        self.named(&name).await
    }

    /// Returns the tags whose names begin with `prefix`, and the commits that they name, all as of
    /// one moment.
    pub async fn tags(&self, prefix: &str) -> Result<Heads<S::Hash>> {
        self.heads_in(Namespace::Tag, prefix).await
    }

    /// Removes a tag; returns whether it was there.
    ///
    /// # Errors
    ///
    /// [`Contention`](ramus_core::ErrorKind::Contention) if others removed and made it again and
    /// again.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed the tag or not.
    pub async fn remove_tag(&self, name: &str) -> Result<bool> {
        self.remove_ref(RefName::tag(name)?).await
    }
}
