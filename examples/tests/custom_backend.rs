//! Every law of the contracts, on the backend of the tutorial.

#[path = "../custom_backend.rs"]
#[expect(dead_code, reason = "what it prints as a program is not part of the backend")]
pub mod custom_backend;

use custom_backend::{Options, storage};
use ramus_core::Sha1;
use ramus_testkit::OpenStorage;

/// Small, so that the laws of truncation are quick.
const LOG_CHANGES: usize = 256;

ramus_testkit::storage_laws!(
    OpenStorage::new(async || storage::<Sha1>(&Options { log_changes_max: LOG_CHANGES }))
        .with_log_capacity(LOG_CHANGES)
);
