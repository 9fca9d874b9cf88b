//! A hash that runs something at a moment that a test cannot reach otherwise.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::thread::LocalKey;

use ramus_core::{Error, Hash, Key, Result, Sha1};
use serde::{Deserialize, Serialize};

type Hook = RefCell<Option<Box<dyn FnOnce()>>>;

thread_local! {
    static WHEN_HASHED: Hook = const { RefCell::new(None) };
    static WHEN_DIFFERENT: Hook = const { RefCell::new(None) };
}

/// Runs `hook` on this thread when a [`Hooked`] is next looked up in a map of hashes.
pub(crate) fn when_hashed(hook: impl FnOnce() + 'static) {
    WHEN_HASHED.set(Some(Box::new(hook)));
}

/// Runs `hook` on this thread when two [`Hooked`] are next found to be different.
pub(crate) fn when_different(hook: impl FnOnce() + 'static) {
    WHEN_DIFFERENT.set(Some(Box::new(hook)));
}

fn run(hook: &'static LocalKey<Hook>) {
    // Taken out first, so that what it does cannot run it again.
    if let Some(hook) = hook.take() {
        hook();
    }
}

/// SHA-1 with hooks.
#[derive(Clone, Copy, Debug, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hooked(Sha1);

impl std::hash::Hash for Hooked {
    fn hash<S: std::hash::Hasher>(&self, state: &mut S) {
        run(&WHEN_HASHED);
        self.0.hash(state);
    }
}

impl PartialEq for Hooked {
    fn eq(&self, other: &Self) -> bool {
        let same = self.0 == other.0;
        if !same {
            run(&WHEN_DIFFERENT);
        }
        same
    }
}

impl Hash for Hooked {
    const NAME: &'static str = "hooked-sha1";
    const LENGTH: usize = Sha1::LENGTH;

    fn of_parts(parts: &[&[u8]]) -> Self {
        Self(Sha1::of_parts(parts))
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Key for Hooked {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        self.0.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Sha1::from_bytes(bytes).map(Self)
    }
}

impl fmt::Display for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Hooked {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self)
    }
}
