use ramus_core::{Error, Result};

use super::Rule;

/// Refuses contents that were not cut where the rule says.
///
/// `lengths` are those of the chunks.
pub(super) fn check_cut(encoded: &[u8], lengths: &[usize]) -> Result<()> {
    let mut rest = encoded;
    for length in lengths {
        let right = Rule::chunk_length(rest);
        if right != *length {
            let start = encoded.len() - rest.len();
            let message = format!(
                "the chunk at byte {start} has {length} bytes, and {right} by what they hold"
            );
            return Err(Error::corrupt(message));
        }
        rest = &rest[right..];
    }
    Ok(())
}
