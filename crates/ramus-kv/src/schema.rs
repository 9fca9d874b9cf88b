use std::fmt::{self, Debug};
use std::marker::PhantomData;

use ramus_core::{Hash, Sha1};

use crate::{Contents, Format, Metadata, Native};

/// The types of a repository: what names its blocks, what it keeps, and how that becomes blocks.
///
/// [`Kv`] is the ready-made one. A schema of one's own is a marker type with four names:
///
/// ```
/// use ramus_core::Sha256;
/// use ramus_kv::{Json, Native, Schema};
///
/// #[derive(Clone, Debug)]
/// struct Documents;
///
/// impl Schema for Documents {
///     type Hash = Sha256;
///     type Contents = Json;
///     type Metadata = ();
///     type Format = Native;
/// }
/// ```
pub trait Schema: Clone + Debug + Send + Sync + 'static {
    /// What names the blocks.
    type Hash: Hash;
    /// The values that are kept, and how two versions of one merge.
    type Contents: Contents;
    /// What an entry of a directory says about its contents; `()` says nothing.
    type Metadata: Metadata;
    /// How contents, directories and commits become blocks.
    type Format: Format;
}

/// The ready-made schema: contents `C`, hash `H`, no metadata, the native format.
///
/// The default hash is [`Sha1`], which is not collision resistant: where the contents come from
/// people who do not trust each other, write `Kv<C, Sha256>`.
pub struct Kv<C, H = Sha1>(PhantomData<fn() -> (C, H)>);

impl<C: Contents, H: Hash> Schema for Kv<C, H> {
    type Hash = H;
    type Contents = C;
    type Metadata = ();
    type Format = Native;
}

impl<C, H> Clone for Kv<C, H> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<C, H> Debug for Kv<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kv")
    }
}
