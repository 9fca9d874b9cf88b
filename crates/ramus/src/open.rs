use ramus_core::open::Openers;
use ramus_core::{Hash, Result};
use ramus_kv::{Repo, RepoOptions, Schema};

/// Opens the repository at a location, such as `pack:./data`, `pack:./data?durability=os` or `mem:`, by
/// the built-in [`openers`] and with the default [`RepoOptions`].
///
/// ```
/// use ramus::Kv;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
/// let repo = ramus::open::<Kv<String>>("mem:").await?;
/// assert!(repo.branches().await?.is_empty());
///
/// let error = ramus::open::<Kv<String>>("./data").await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "location `./data` has no scheme: `scheme:path?option=value` is, and known are `mem:`, `pack:`"
/// );
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Those of [`open_with`].
///
/// # Cancel safety
///
/// That of the backend's opener: a dropped opening of `mem:` leaves nothing, one of `pack:` a directory
/// that can be opened again.
pub async fn open<S: Schema>(location: &str) -> Result<Repo<S>> {
    open_with(&openers(), location, RepoOptions::default()).await
}

/// Opens the repository at a location, by these openers and with these options.
///
/// ```
/// use ramus::{Kv, RepoOptions};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
/// // The built-in openers, and one more: here another name for memory.
/// let openers = ramus::openers().with("scratch", ramus::mem::open);
/// let options = RepoOptions::default().with_author("billing");
/// let repo = ramus::open_with::<Kv<String>>(&openers, "scratch:", options).await?;
///
/// let commit = repo.main().await?.set("invoices/1", "open", "first one").await?;
/// assert_eq!(commit.unwrap().info().author.as_deref(), Some("billing"));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`InvalidInput`](crate::ErrorKind::InvalidInput) for a location without a scheme or with one
///   that the openers do not know, for a path that the backend does not take, and for an option that
///   is unknown or has a bad value. The message says what would be accepted.
/// - What else the backend's opener answers.
///
/// # Cancel safety
///
/// That of the backend's opener.
pub async fn open_with<S: Schema>(
    openers: &Openers<S::Hash>,
    location: &str,
    options: RepoOptions,
) -> Result<Repo<S>> {
    let backend = openers.open(location).await?;
    Ok(Repo::with_options(backend, options))
}

/// Returns the openers of the backends that are built in: one for each backend's feature.
///
/// They are a plain value: [`with`](Openers::with) adds others, for [`open_with`].
pub fn openers<H: Hash>() -> Openers<H> {
    let openers = Openers::new();
    #[cfg(feature = "mem")]
    let openers = openers.with("mem", ramus_mem::open);
    #[cfg(feature = "pack")]
    let openers = openers.with("pack", ramus_pack::open);
    openers
}
