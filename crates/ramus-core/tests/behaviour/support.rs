//! What several of the tests need.

use std::error::Error as _;

use ramus_core::{Error, ErrorKind, RefName};

/// Checks what an operation was refused with.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: ramus_core::Result<T>,
    kind: ErrorKind,
    message: &str,
) -> Error {
    let error = answer.expect_err(message);
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    error
}

/// Checks that an operation was refused because the store is closed.
#[track_caller]
pub(crate) fn closed<T: std::fmt::Debug>(answer: ramus_core::Result<T>) {
    assert_eq!(answer.expect_err("a closed store").kind(), ErrorKind::Closed);
}

/// Returns what the cause of an error says.
#[track_caller]
pub(crate) fn cause(error: &Error) -> String {
    error.source().expect("a cause").to_string()
}

pub(crate) fn branch(name: &str) -> RefName {
    RefName::branch(name).expect("a branch name")
}
