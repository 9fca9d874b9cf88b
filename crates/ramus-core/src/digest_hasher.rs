use std::hash::{BuildHasherDefault, Hasher};

/// Makes [`DigestHasher`]s: the third parameter of a map whose keys are hashes.
pub type DigestHash = BuildHasherDefault<DigestHasher>;

/// Takes the first eight bytes of a digest for its hash: they are as random as a hash can be.
///
/// Only for keys that are hashes; with keys that users choose, anyone could choose collisions.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = match bytes.first_chunk() {
            Some(head) => u64::from_le_bytes(*head),
            // A digest shorter than that: any mixture of its bytes will do.
            None => bytes.iter().fold(self.0, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            }),
        };
    }

    /// Lengths are the same for every key.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
