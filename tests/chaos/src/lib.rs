//! A chaos mode: threads that are held up where they wait, wake and allocate.
//!
//! Preloaded into a test program (`LD_PRELOAD`, Linux with glibc), it delays now and then a call of the kernel's
//! `futex` before and after, which is how threads of Rust wait for and wake one another, and rarely an allocation, which
//! is nearly anywhere. So a job that "has surely ended by now" has not, and a test that relies on it fails. Named after
//! the mode of `rr` that does the same by its scheduler.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

/// Chooses all delays, with the order in which threads come here.
static SEED: Setting = Setting::new(c"CHAOS_SEED", 1);
/// So many of a thousand futex calls are delayed, before and after.
static FUTEX_PER_MILLE: Setting = Setting::new(c"CHAOS_FUTEX_PER_MILLE", 30);
/// One allocation of so many is delayed, and one release; 0 for none.
static ALLOCATIONS: Setting = Setting::new(c"CHAOS_ALLOCATIONS", 20_000);
/// The longest delay, in microseconds.
static MICROS_MAX: Setting = Setting::new(c"CHAOS_MICROS_MAX", 3000);

/// What the environment says once the program has started.
struct Setting {
    name: &'static CStr,
    value: AtomicU64,
}

impl Setting {
    const fn new(name: &'static CStr, default: u64) -> Self {
        Self { name, value: AtomicU64::new(default) }
    }

    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Reads it without an allocation.
    fn read(&self) {
        // SAFETY: the name ends in a zero, and nobody changes the environment before `main`.
        let found = unsafe { getenv(self.name.as_ptr()) };
        if found.is_null() {
            return;
        }
        // SAFETY: what `getenv` finds ends in a zero and stays.
        let text = unsafe { CStr::from_ptr(found) };
        let number = text.to_str().ok().and_then(|text| text.parse().ok());
        let Some(number) = number else {
            eprintln!("{:?} is {text:?}; it has to be a whole number", self.name);
            std::process::exit(2);
        };
        self.value.store(number, Ordering::Relaxed);
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    for setting in [&SEED, &FUTEX_PER_MILLE, &ALLOCATIONS, &MICROS_MAX] {
        setting.read();
    }
    // SAFETY: the name ends in a zero.
    let found = unsafe { dlsym(RTLD_NEXT, c"syscall".as_ptr()) };
    SYSCALL.store(found, Ordering::Release);
}

type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;

/// The `syscall` of the C library; none before the start.
static SYSCALL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Stands before the variadic function of this name.
///
/// # Safety
///
/// As of the function that it calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let mut found = SYSCALL.load(Ordering::Acquire);
    if found.is_null() {
        start();
        found = SYSCALL.load(Ordering::Acquire);
    }
    // SAFETY: it is the address of that function; integers are passed in the same places with and without variadic
    // arguments by the calling conventions of Linux on x86-64 and AArch64.
    let call =
        || unsafe { ptr::read((&raw const found).cast::<Syscall>())(number, a, b, c, d, e, f) };
    if number != SYS_FUTEX {
        return call();
    }
    delay(FUTEX_PER_MILLE.get(), 1000);
    let answer = call();
    delay(FUTEX_PER_MILLE.get(), 1000);
    answer
}

/// Stands before the function of this name.
///
/// # Safety
///
/// As of the function that it calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(bytes: usize) -> *mut c_void {
    delay(1, ALLOCATIONS.get());
    // SAFETY: as promised to this function.
    unsafe { __libc_malloc(bytes) }
}

/// Stands before the function of this name.
///
/// # Safety
///
/// As of the function that it calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(memory: *mut c_void) {
    // SAFETY: as promised to this function.
    unsafe { __libc_free(memory) };
    delay(1, ALLOCATIONS.get());
}

/// Sleeps in `some` of `all` cases, and leaves `errno` as it is.
fn delay(some: u64, all: u64) {
    if all == 0 || SYSCALL.load(Ordering::Acquire).is_null() || Random::next() % all >= some {
        return;
    }
    let micros = Random::next() % MICROS_MAX.get().max(1);
    // SAFETY: it is the place of this thread.
    let errno = unsafe { __errno_location() };
    // SAFETY: as before.
    let before = unsafe { *errno };
    std::thread::sleep(Duration::from_micros(micros));
    // SAFETY: as before.
    unsafe { *errno = before };
}

/// A generator for each thread: `xorshift64` (Marsaglia, "Xorshift RNGs", 2003).
struct Random;

impl Random {
    fn next() -> u64 {
        thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });
        static THREADS: AtomicU64 = AtomicU64::new(1);
        STATE.with(|state| {
            let mut x = state.get();
            if x == 0 {
                let thread = THREADS.fetch_add(1, Ordering::Relaxed);
                // Spread over all bits, and never zero.
                x = (SEED.get() << 32 | thread).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            }
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            state.set(x);
            // The lowest bits are the weakest.
            x >> 16
        })
    }
}

#[cfg(target_arch = "x86_64")]
const SYS_FUTEX: c_long = 202;
#[cfg(target_arch = "aarch64")]
const SYS_FUTEX: c_long = 98;

const RTLD_NEXT: *mut c_void = ptr::without_provenance_mut(usize::MAX);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *mut c_char;
    fn __errno_location() -> *mut c_int;
    fn __libc_malloc(bytes: usize) -> *mut c_void;
    fn __libc_free(memory: *mut c_void);
}
