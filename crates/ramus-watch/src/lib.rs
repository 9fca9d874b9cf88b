//! Lossless watch streams over a change log.
//!
//! ```
//! use ramus_core::AtomicWriteExt as _;
//! use ramus_mem::{MemOptions, MemRefs};
//! use ramus_watch::{Event, WatchExt as _, WatchOptions};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let store: MemRefs<String, u64> = MemRefs::new(&MemOptions::default());
//! let mut watch = store.watch(WatchOptions::prefix("stock/")).await?;
//! store.set("stock/apples".to_owned(), 7).await?;
//!
//! let Some(Event::Changed(changed)) = watch.next().await.transpose()? else { panic!() };
//! let apples = &changed.keys()[0];
//! assert_eq!((apples.key.as_str(), apples.old, apples.new), ("stock/apples", None, Some(7)));
//! # Ok::<(), ramus_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! A store publishes its changes over a channel that drops what a slow receiver does not take in
//! time. So a notice only wakes, and serves a watcher that is one behind; whoever is further behind
//! reads the store's change log, by pages. [`Follower`] says how nothing is lost in between, and
//! [`Watch`] what is promised to whoever watches.
//!
//! [`WatchExt`] gives watches of any [`AtomicWrite`](ramus_core::AtomicWrite). A backend without a
//! change log of its own embeds [`Log`] and [`Hub`].

mod event;
mod ext;
mod options;
mod watch;
mod watched;

mod follower;
mod reader;

mod hub;
mod log;

pub use event::{Changed, Event};
pub use ext::WatchExt;
pub use follower::{Follower, Next};
pub use hub::Hub;
pub use log::Log;
pub use options::{Mode, Start, WatchOptions};
pub use watch::Watch;
pub use watched::Watched;
