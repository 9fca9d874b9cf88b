use crate::{Error, Result};

/// Refuses the answers of a store below that are not one for each key.
pub(super) fn one_for_each<K, V>(keys: &[K], answers: Vec<V>) -> Result<Vec<V>> {
    if answers.len() == keys.len() {
        return Ok(answers);
    }
    let (answers, keys) = (answers.len(), keys.len());
    Err(Error::corrupt(format!("the store gave {answers} answers to {keys} keys")))
}
