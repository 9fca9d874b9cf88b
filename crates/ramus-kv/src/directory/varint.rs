//! Numbers in groups of seven bits, the lowest first; the shortest form is the only one.

/// Returns how many bytes the number takes.
pub(crate) const fn len(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [group, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            // The high bit of the last group is clear: the number was below 128.
            return out.push(group);
        }
        out.push(group | 0x80);
    }
}
