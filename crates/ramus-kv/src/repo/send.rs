use std::time::Duration;

use bytes::Bytes;
use ramus_core::{AtomicWrite as _, ErrorKind, Outcome, RefName, Result, Update};
use tokio::time::sleep;

use super::Repo;
use crate::note::{Made, note};
use crate::{Info, Schema};

impl<S: Schema> Repo<S> {
    /// How often the same update is sent again because its answer was lost.
    pub(crate) const RESENDS_MAX: u32 = 8;

    /// Returns an update of nothing yet that says what is done, by the author of the repository.
    pub(crate) async fn update(&self, message: &str) -> Result<Update<RefName, S::Hash>> {
        let info = Info::new(message).with_author(self.author()).with_time_ms(self.now_ms());
        self.update_noted(note(&info, &Made::<S::Hash>::None)).await
    }

    /// Returns an update of nothing yet that has this note.
    pub(crate) async fn update_noted(&self, note: Bytes) -> Result<Update<RefName, S::Hash>> {
        let seen = self.refs().position().await?;
        Ok(Update::with_id(self.0.ids.next_id(), seen).with_note(note))
    }

    /// Moves refs. If the answer is lost, the same update is sent again: its id tells whether it was
    /// applied.
    pub(crate) async fn move_refs(
        &self,
        update: Update<RefName, S::Hash>,
    ) -> Result<Outcome<RefName, S::Hash>> {
        let mut attempt = 0;
        loop {
            match self.refs().update(update.clone()).await {
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && attempt < Self::RESENDS_MAX =>
                {
                    attempt += 1;
                    self.back_off(attempt).await;
                }
                answer => return answer,
            }
        }
    }

    /// Waits before another attempt: longer each time, and not as long as others wait.
    pub(crate) async fn back_off(&self, attempt: u32) {
        const FIRST_US: u64 = 100;
        const DOUBLINGS_MAX: u32 = 9;
        if attempt == 0 {
            return;
        }
        let longest = FIRST_US << attempt.min(DOUBLINGS_MAX);
        sleep(Duration::from_micros(self.random_below(longest))).await;
    }
}
