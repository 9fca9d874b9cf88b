use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Location;
use super::location::{no_scheme, split_scheme};
use crate::erased::Backend;
use crate::step::Excerpt;
use crate::{Error, Hash, Result};

/// Which scheme is opened by what: a plain value, nothing global. Cloning is cheap.
///
/// ```
/// use ramus_core::erased::Backend;
/// use ramus_core::open::{Location, Openers};
/// use ramus_core::{Result, Sha1};
/// use ramus_mem::{Mem, MemOptions};
///
/// async fn open_mem(location: Location) -> Result<Backend<Sha1>> {
///     let options: MemOptions = location.options()?;
///     Ok(Backend::new(Mem::new(&options)))
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let openers = Openers::new().with("mem", open_mem);
/// let storage = openers.open("mem:?log_changes_max=1000").await?;
/// let error = openers.open("mme:").await.unwrap_err();
/// assert_eq!(error.to_string(), "scheme `mme` is unknown; known is `mem:`");
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Openers<H>(BTreeMap<String, Opener<H>>);

type Opener<H> = Arc<dyn Fn(Location) -> BoxFuture<'static, Result<Backend<H>>> + Send + Sync>;

impl<H: Hash> Openers<H> {
    /// Returns openers of nothing.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Opens locations of `scheme` (without its colon, capitals as small letters) by `open`.
    ///
    /// A later opener of a scheme takes the place of an earlier one, so that a program can put its own
    /// before what it was given. A scheme that no location can have is never opened: see
    /// [`Location`].
    #[must_use]
    pub fn with<F, A>(mut self, scheme: &str, open: F) -> Self
    where
        F: Fn(Location) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Backend<H>>> + Send + 'static,
    {
        let opener: Opener<H> = Arc::new(move |location| open(location).boxed());
        self.0.insert(scheme.to_ascii_lowercase(), opener);
        self
    }

    /// Returns the schemes that are known, in order, without their colons.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Opens the storage at a location, such as `mem:` or `pack:./data?durability=os`.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput) for a location without a scheme or with an
    ///   unknown one (the message lists the known ones), and for malformed or unknown options.
    /// - What the backend answers.
    ///
    /// # Cancel safety
    ///
    /// That of the backend's opener.
    pub async fn open(&self, location: &str) -> Result<Backend<H>> {
        let Some((scheme, _)) = split_scheme(location) else {
            return Err(no_scheme(location, &format!("is, and {}", self.known())));
        };
        let Some(opener) = self.0.get(&scheme) else {
            let scheme = Excerpt(scheme.as_bytes());
            let known = self.known();
            return Err(Error::invalid_input(format!("scheme `{scheme}` is unknown; {known}")));
        };
        opener(location.parse()?).await
    }

    fn known(&self) -> String {
        let known: Vec<_> = self.schemes().map(|scheme| format!("`{scheme}:`")).collect();
        match &*known {
            [] => "none is known".to_owned(),
            [one] => format!("known is {one}"),
            several => format!("known are {}", several.join(", ")),
        }
    }
}

impl<H: Hash> Default for Openers<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> Clone for Openers<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> fmt::Debug for Openers<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Openers").field(&self.0.keys()).finish()
    }
}
