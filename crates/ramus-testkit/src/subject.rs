use std::fmt;

use bytes::Bytes;
use ramus_core::{AtomicWrite, ContentAddressable, Hash, Namespace, ReadOnly, RefName, Storage};

/// How many values of a subject can be stored in its refs: those numbered below this.
pub const SAMPLES: usize = 256;

/// How many changes a log keeps at least, if nothing else is said.
const LOG_CAPACITY: usize = 65_536;

/// Opens storages for the laws.
///
/// [`OpenStorage`] makes one of a closure.
pub trait StorageSubject: Send + Sync + 'static {
    /// What is opened.
    type Storage: Storage;

    /// Opens a storage: empty, and apart from every other one.
    fn open(&self) -> impl Future<Output = Self::Storage> + Send;

    /// Returns how many changes the logs of the storages keep at least. A small number makes the
    /// laws of truncation quick.
    fn log_capacity(&self) -> usize {
        LOG_CAPACITY
    }
}

/// Opens stores of blocks for the laws, and gives them values to store.
///
/// [`OpenBlocks`] makes one of closures, [`BlocksOf`] one of a storage's.
pub trait BlocksSubject: Send + Sync + 'static {
    /// What is opened.
    type Blocks: ContentAddressable;

    /// Opens a store: empty, and apart from every other one.
    fn open(&self) -> impl Future<Output = Self::Blocks> + Send;

    /// Returns the value of this number; every number has another one.
    fn value(&self, number: usize) -> <Self::Blocks as ReadOnly>::Value;

    /// Returns the bytes of a value: those whose hash is its name.
    fn bytes(&self, value: &<Self::Blocks as ReadOnly>::Value) -> Vec<u8>;

    /// Returns a value of exactly this many bytes, or nothing if values have no free size: the laws
    /// about sizes then hold of themselves.
    fn value_of_size(&self, _bytes: usize) -> Option<<Self::Blocks as ReadOnly>::Value> {
        None
    }
}

/// Opens stores of refs for the laws, and gives them keys and values.
///
/// [`OpenRefs`] makes one of closures, [`RefsOf`] one of a storage's.
pub trait RefsSubject: Send + Sync + 'static {
    /// What is opened.
    type Refs: AtomicWrite;

    /// Opens a store: empty, and apart from every other one.
    fn open(&self) -> impl Future<Output = Self::Refs> + Send;

    /// Returns the key of this number; every number has another one.
    fn key(&self, number: usize) -> <Self::Refs as ReadOnly>::Key;

    /// Returns the value of this number, below [`SAMPLES`]; every number has another one.
    fn value(&self, number: usize) -> <Self::Refs as ReadOnly>::Value;

    /// Returns how many changes the logs of the stores keep at least.
    fn log_capacity(&self) -> usize {
        LOG_CAPACITY
    }
}

/// The storages that a closure opens.
///
/// ```
/// use ramus_core::Sha1;
/// use ramus_mem::{Mem, MemOptions};
/// use ramus_testkit::OpenStorage;
///
/// let subject = OpenStorage::new(async || {
///     Mem::<Sha1>::new(&MemOptions::default().with_log_changes_max(200))
/// });
/// let subject = subject.with_log_capacity(200);
/// # drop(subject);
/// ```
pub struct OpenStorage<F> {
    open: F,
    log_capacity: usize,
}

impl<F, S, O> OpenStorage<F>
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = S> + Send,
    S: Storage,
{
    /// Returns the subject that opens its storages so.
    pub const fn new(open: F) -> Self {
        Self { open, log_capacity: LOG_CAPACITY }
    }
}

impl<F> OpenStorage<F> {
    /// Says how many changes the logs keep at least.
    #[must_use]
    pub fn with_log_capacity(mut self, changes: usize) -> Self {
        self.log_capacity = changes;
        self
    }
}

impl<F, S, O> StorageSubject for OpenStorage<F>
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = S> + Send,
    S: Storage,
{
    type Storage = S;

    async fn open(&self) -> S {
        (self.open)().await
    }

    fn log_capacity(&self) -> usize {
        self.log_capacity
    }
}

/// The stores of blocks that a closure opens, of values of any type.
pub struct OpenBlocks<F, V, B> {
    open: F,
    value: V,
    bytes: B,
}

impl<F, V, B> OpenBlocks<F, V, B> {
    /// Returns the subject that opens its stores so; `value` gives a different one for every
    /// number, `bytes` says what of it is hashed.
    pub const fn new(open: F, value: V, bytes: B) -> Self {
        Self { open, value, bytes }
    }
}

impl<F, V, B, S, O> BlocksSubject for OpenBlocks<F, V, B>
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = S> + Send,
    S: ContentAddressable,
    V: Fn(usize) -> S::Value + Send + Sync + 'static,
    B: Fn(&S::Value) -> Vec<u8> + Send + Sync + 'static,
{
    type Blocks = S;

    async fn open(&self) -> S {
        (self.open)().await
    }

    fn value(&self, number: usize) -> S::Value {
        (self.value)(number)
    }

    fn bytes(&self, value: &S::Value) -> Vec<u8> {
        (self.bytes)(value)
    }
}

/// The stores of refs that a closure opens, of keys and values of any type.
pub struct OpenRefs<F, K, V> {
    open: F,
    key: K,
    value: V,
    log_capacity: usize,
}

impl<F, K, V> OpenRefs<F, K, V> {
    /// Returns the subject that opens its stores so; `key` and `value` give a different one for
    /// every number.
    pub const fn new(open: F, key: K, value: V) -> Self {
        Self { open, key, value, log_capacity: LOG_CAPACITY }
    }

    /// Says how many changes the logs keep at least.
    #[must_use]
    pub fn with_log_capacity(mut self, changes: usize) -> Self {
        self.log_capacity = changes;
        self
    }
}

impl<F, K, V, S, O> RefsSubject for OpenRefs<F, K, V>
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = S> + Send,
    S: AtomicWrite,
    K: Fn(usize) -> S::Key + Send + Sync + 'static,
    V: Fn(usize) -> S::Value + Send + Sync + 'static,
{
    type Refs = S;

    async fn open(&self) -> S {
        (self.open)().await
    }

    fn key(&self, number: usize) -> S::Key {
        (self.key)(number)
    }

    fn value(&self, number: usize) -> S::Value {
        (self.value)(number)
    }

    fn log_capacity(&self) -> usize {
        self.log_capacity
    }
}

/// The blocks of the storages of a subject.
#[derive(Clone, Debug)]
pub struct BlocksOf<T>(
    /// What opens the storages.
    pub T,
);

impl<T: StorageSubject> BlocksSubject for BlocksOf<T> {
    type Blocks = <T::Storage as Storage>::Blocks;

    async fn open(&self) -> Self::Blocks {
        self.0.open().await.blocks().clone()
    }

    fn value(&self, number: usize) -> Bytes {
        sample_block(number)
    }

    fn bytes(&self, value: &Bytes) -> Vec<u8> {
        value.to_vec()
    }

    fn value_of_size(&self, bytes: usize) -> Option<Bytes> {
        Some(vec![0x5a; bytes].into())
    }
}

/// The refs of the storages of a subject, in which the blocks that the laws name are stored.
#[derive(Clone, Debug)]
pub struct RefsOf<T>(
    /// What opens the storages.
    pub T,
);

impl<T: StorageSubject> RefsSubject for RefsOf<T> {
    type Refs = <T::Storage as Storage>::Refs;

    async fn open(&self) -> Self::Refs {
        let storage = self.0.open().await;
        let blocks = (0..SAMPLES).map(sample_block).map(|block| (Hash::of(&block), block));
        storage.blocks().unsafe_add_many(blocks.collect()).await.expect("samples are added");
        storage.refs().clone()
    }

    fn key(&self, number: usize) -> RefName {
        sample_ref(number)
    }

    fn value(&self, number: usize) -> <T::Storage as Storage>::Hash {
        assert!(number < SAMPLES, "a law asks for value {number}, and {SAMPLES} are stored");
        Hash::of(&sample_block(number))
    }

    fn log_capacity(&self) -> usize {
        self.0.log_capacity()
    }
}

/// Returns the block of a number.
pub(crate) fn sample_block(number: usize) -> Bytes {
    format!("block {number}").into()
}

/// Returns the ref name of a number; they lie in several namespaces, and some begin with another.
pub(crate) fn sample_ref(number: usize) -> RefName {
    let namespace = [Namespace::Branch, Namespace::Tag, Namespace::Internal][number % 3];
    RefName::new(namespace, &format!("r{}", number / 3)).expect("a well-formed name")
}

macro_rules! opaque_debug {
    ($($name:ident<$($parameter:ident),+>),+) => {$(
        impl<$($parameter),+> fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}

opaque_debug!(OpenStorage<F>, OpenBlocks<F, V, B>, OpenRefs<F, K, V>);
