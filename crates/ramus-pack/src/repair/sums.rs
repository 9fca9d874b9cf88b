use crc32fast::Hasher;

/// Tells the checksum of any part of some bytes, without reading all of the part.
///
/// The checksum of a whole is that of its first part, moved on by the length of the second, and that of the
/// second (`crc32_combine` of zlib); so that of the second follows from the other two. What a block holds may
/// claim to be a record at each of its bytes, and each of them as long as the block: to read them all would
/// never end.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    bytes: &'a [u8],
    /// The checksums of the first 0, 512, 1024 … bytes.
    steps: Vec<u32>,
}

/// The bytes between two checksums that are kept.
const STEP: usize = 512;

impl<'a> Sums<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut hasher = Hasher::new();
        let mut steps = vec![0];
        for step in bytes.chunks_exact(STEP) {
            hasher.update(step);
            steps.push(hasher.clone().finalize());
        }
        Self { bytes, steps }
    }

    /// Returns the checksum of the bytes from `start` to `end`, which are in this order and are there.
    pub(super) fn between(&self, start: usize, end: usize) -> u32 {
        let mut moved = Hasher::new_with_initial_len(self.before(start), start as u64);
        moved.combine(&Hasher::new_with_initial_len(0, (end - start) as u64));
        self.before(end) ^ moved.finalize()
    }

    /// Returns the checksum of the bytes before `end`.
    fn before(&self, end: usize) -> u32 {
        let step = end / STEP;
        let start = step * STEP;
        let mut hasher = Hasher::new_with_initial_len(self.steps[step], start as u64);
        hasher.update(&self.bytes[start..end]);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::checksum;

    #[test]
    fn the_checksum_of_any_part_is_that_of_its_bytes() {
        for length in [0, 1, 511, 512, 513, 1024, 3000] {
            let bytes: Vec<u8> =
                (0..length).map(|at: u32| (at * at / 7).to_le_bytes()[0]).collect();
            let sums = Sums::of(&bytes);
            for start in (0..=bytes.len()).step_by(37) {
                for end in (start..=bytes.len()).step_by(41).chain([bytes.len()]) {
                    let expected = checksum(&[&bytes[start..end]]);
                    assert_eq!(sums.between(start, end), expected, "{start} to {end} of {length}");
                }
            }
        }
    }
}
