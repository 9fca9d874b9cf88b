//! The program without peers: Ramus and the floor. See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ramus_bench::run(&[])
}
