//! 128 random bits at a time, from the operating system, asked for in blocks.

use std::cell::RefCell;

const BLOCK: usize = 1024;

thread_local! {
    /// Random bytes not yet given out, and how many of them were.
    static POOL: RefCell<([u8; BLOCK], usize)> = const { RefCell::new(([0; BLOCK], BLOCK)) };
}

/// Returns 128 random bits.
///
/// # Panics
///
/// If the operating system has no randomness to give, which leaves nothing to go on with.
pub(crate) fn bits128() -> [u8; 16] {
    POOL.with_borrow_mut(|(bytes, used)| {
        if *used == BLOCK {
            getrandom::fill(bytes).expect("the operating system gives random bytes");
            *used = 0;
        }
        let bits = bytes[*used..*used + 16].try_into().expect("sixteen bytes");
        *used += 16;
        bits
    })
}
