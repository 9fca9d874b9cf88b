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

/// Returns the number that the bytes begin with, and how many bytes it takes; nothing if there is
/// none, or not in the shortest form.
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (index, (byte, shift)) in bytes.iter().zip((0..u64::BITS).step_by(7)).enumerate() {
        let group = u64::from(byte & 0x7f);
        if group << shift >> shift != group || (*byte == 0 && index > 0) {
            return None;
        }
        number |= group << shift;
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}
