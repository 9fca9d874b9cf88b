//! What large contents cost with chunks of other sizes.
//!
//! ```sh
//! cargo run --release -p ramus-kv --example chunk_sizes -- 256
//! ```
//!
//! So many MiB without a pattern are cut and hashed; then a byte is inserted at 64 places, one at a
//! time, and the bytes of the chunks are counted that were not there before. The index is what names
//! and lengths take, 24 bytes for each chunk.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]
#![expect(clippy::cast_precision_loss, reason = "averages of a table")]

use std::collections::HashSet;
use std::time::Instant;

use fastcdc::v2020::{FastCDC, Normalization};
use ramus_core::{Hash as _, Sha1};

/// How many bytes before and behind an insert are cut again; by then the cuts are the same.
const AROUND: usize = 8 << 20;

fn main() {
    let mib = std::env::args().nth(1).map_or(64, |text| text.parse().expect("a number of MiB"));
    let mut state = 1_u64;
    let bytes: Vec<u8> = (0..(mib << 17))
        .flat_map(|_: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()
        })
        .collect();
    println!(
        "| min, usual, max (KiB) | level | mean chunk | index | cut | cut and SHA-1 | new bytes per insert |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (min, usual, max) in
        [(4, 16, 64), (8, 32, 128), (16, 64, 256), (32, 128, 512), (64, 256, 1024)]
    {
        for level in [Normalization::Level1, Normalization::Level2] {
            line(&bytes, [min << 10, usual << 10, max << 10], level);
        }
    }
}

fn line(bytes: &[u8], [min, usual, max]: [usize; 3], level: Normalization) {
    let cut = |bytes: &[u8]| -> Vec<(usize, usize)> {
        let chunks = FastCDC::with_level(bytes, min, usual, max, level);
        chunks.map(|chunk| (chunk.offset, chunk.offset + chunk.length)).collect()
    };
    let start = Instant::now();
    let chunks = cut(bytes);
    let cutting = start.elapsed().as_secs_f64();
    let names: HashSet<Sha1> =
        chunks.iter().map(|(from, to)| Sha1::of(&bytes[*from..*to])).collect();
    let both = start.elapsed().as_secs_f64();
    let mut written = 0;
    for number in 1..=64 {
        // The cuts before an insert stay, so it is enough to begin at one of them.
        let place = bytes.len() / 65 * number;
        let near = place.saturating_sub(AROUND);
        let begin = chunks.iter().map(|chunk| chunk.0).take_while(|from| *from <= near).last();
        let begin = begin.unwrap_or(0);
        let mut changed = bytes[begin..bytes.len().min(place + AROUND)].to_vec();
        changed.insert(place - begin, b'!');
        let cuts = cut(&changed);
        let whole = &cuts[..cuts.len() - 1];
        let new = |(from, to): &&(usize, usize)| !names.contains(&Sha1::of(&changed[*from..*to]));
        written += whole.iter().filter(new).map(|(from, to)| to - from).sum::<usize>();
    }
    let mib = bytes.len() as f64 / f64::from(1 << 20);
    println!(
        "| {}, {}, {} | {level} | {:.1} KiB | {:.3} % | {:.0} MiB/s | {:.0} MiB/s | {:.1} KiB |",
        min >> 10,
        usual >> 10,
        max >> 10,
        bytes.len() as f64 / chunks.len() as f64 / 1024.0,
        chunks.len() as f64 * 24.0 / bytes.len() as f64 * 100.0,
        mib / cutting,
        mib / both,
        f64::from(u32::try_from(written).unwrap_or(u32::MAX)) / 64.0 / 1024.0,
    );
}
