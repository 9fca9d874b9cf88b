use ramus_core::{Error, ErrorKind};

use super::Store;
use crate::{Commit, Schema};

impl<S: Schema> Store<S> {
    pub(crate) fn attempts_max(&self) -> u32 {
        self.repo().attempts_max()
    }

    pub(crate) async fn back_off(&self, attempt: u32) {
        self.repo().back_off(attempt).await;
    }

    /// Returns the error of a write that others preceded so often; `head` is where they moved to.
    pub(crate) fn contention(&self, attempts: u32, head: Option<&Commit<S>>) -> Error {
        let head = head.map_or_else(|| "nothing".to_owned(), |head| head.hash().to_string());
        let message = format!(
            "{self} was moved by other writers before each of {attempts} attempts, at last to {head}; \
             begin again, or let the repository try more often (attempts_max)"
        );
        Error::new(ErrorKind::Contention, message)
    }
}
