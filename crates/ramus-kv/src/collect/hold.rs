use ramus_core::{AtomicWrite as _, ErrorKind, Namespace, Pin, Result};

use super::Root;
use super::mark::{Marker, Need};
use crate::{Commit, Repo, Schema, history};

/// Makes sure that all is there that a commit reaches, and keeps it from being collected for as long as
/// the pins live, also by a collection that is under way.
///
/// What a branch or a tag has behind it is there, so it is not looked at.
///
/// # Errors
///
/// [`Missing`](ErrorKind::Missing) for a block that is not there.
pub(crate) async fn hold<S: Schema>(repo: &Repo<S>, commit: &Commit<S>) -> Result<Vec<Pin>> {
    let (objects, hash) = (repo.objects(), commit.hash());
    let refs = repo.refs().snapshot(b"").await?.collect().await?;
    let heads = refs.into_iter().filter(|(name, _)| name.namespace() != Namespace::Internal);
    let heads: Vec<_> = heads.map(|(_, head)| head).collect();
    let whole = match history::lcas(objects, &[hash], &heads).await {
        // Whether it is the commit of which something is gone, is found in the blocks themselves.
        Err(error) if matches!(error.kind(), ErrorKind::Missing | ErrorKind::Corrupt) => Vec::new(),
        whole => whole?,
    };
    let mut marker = Marker::with_pins(objects);
    for commit in whole {
        marker.pass_over(commit);
    }
    marker.add_root(hash, Need::Must, || Root::Given);
    while !marker.is_at_rest() {
        marker.step().await?;
    }
    Ok(marker.into_pins())
}
