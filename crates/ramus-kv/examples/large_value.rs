//! A value that is larger than memory, in and out of blocks in a file; and what one byte at its front costs.
//!
//! ```sh
//! cargo run --release -p ramus-kv --example large_value -- 4096 /tmp
//! ```
//!
//! The size is in MiB; the directory, which needs about as much room, is the temporary one of the
//! system if none is given. What is written there is removed at the end. Every byte that is read is
//! compared, and the program fails if more than 128 MiB were in memory at any time, or if 1 % of the
//! blocks or more were new.
#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]
#![expect(clippy::cast_precision_loss, reason = "shares of a table")]

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Joined, ReadOnly as _, Sha1, Storage as _};
use ramus_kv::{ContentsReader, Format as _, Kv, Native, Repo, Tree};
use ramus_mem::MemRefs;
use ramus_testkit::FileBlocks;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

type Files = Kv<Bytes>;

/// What fails is said.
type Done<T> = Result<T, Box<dyn Error>>;

/// The most bytes that may be in memory.
const MEMORY_MAX: u64 = 128 << 20;

#[tokio::main]
async fn main() -> Done<()> {
    let mut arguments = std::env::args().skip(1);
    let size = arguments.next().map_or(Ok(256), |text| text.parse::<u64>())? << 20;
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(place)?;
    let file = directory.path().join("blocks");
    let blocks = FileBlocks::<Sha1>::create(&file).await?;
    let repo = Repo::<Files>::new(Backend::new(Joined::new(blocks, MemRefs::default())));
    let main = repo.main().await?;
    println!("{} MiB of noise", size >> 20);

    let start = Instant::now();
    main.set_stream("value", Noise::of(size), "write").await?;
    report("written", size, start);
    let old = main.tree().await?;

    let start = Instant::now();
    compare(reader(&old).await?, Noise::of(size)).await?;
    report("read and compared", size, start);

    let before = length(&file)?;
    let start = Instant::now();
    let longer = tokio::io::AsyncReadExt::chain(&b"!"[..], Noise::of(size));
    main.set_stream("value", longer, "insert a byte at the front").await?;
    report("written with one byte more", size, start);
    let new = main.tree().await?;
    let longer = tokio::io::AsyncReadExt::chain(&b"!"[..], Noise::of(size));
    compare(reader(&new).await?, longer).await?;

    let (old, new) = (names(&repo, &old).await?, names(&repo, &new).await?);
    let added = new.difference(&old).count();
    let grown = length(&file)? - before;
    println!("blocks: {}, of which new: {added}; {grown} bytes in the file", new.len());
    let peak = peak_bytes()?;
    println!("peak memory: {} MiB", peak >> 20);
    if added * 100 >= new.len() && size >= 64 << 20 {
        return Err(format!("{added} of {} blocks are new", new.len()).into());
    }
    if peak > MEMORY_MAX {
        return Err(format!("{peak} bytes were in memory").into());
    }
    Ok(())
}

async fn reader(tree: &Tree<Files>) -> Done<ContentsReader<Files>> {
    Ok(tree.reader("value").await?.ok_or("the value is gone")?)
}

/// Compares two streams.
async fn compare(mut one: impl AsyncRead + Unpin, mut other: impl AsyncRead + Unpin) -> Done<()> {
    let (mut ours, mut theirs) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let length = one.read(&mut ours).await?;
        if length == 0 {
            let is_end = other.read(&mut theirs).await? == 0;
            return if is_end { Ok(()) } else { Err("the value ends too early".into()) };
        }
        other.read_exact(&mut theirs[..length]).await?;
        if ours[..length] != theirs[..length] {
            return Err("other bytes than were written".into());
        }
    }
}

/// Returns the names of all blocks of the value, without reading its chunks.
async fn names(repo: &Repo<Files>, tree: &Tree<Files>) -> Done<HashSet<Sha1>> {
    let root = tree.find_hash("value").await?.ok_or("the value is gone")?;
    let (mut names, mut todo) = (HashSet::new(), vec![root]);
    while let Some(name) = todo.pop() {
        if !names.insert(name) {
            continue;
        }
        let block = repo.backend().blocks().find(&name).await?.ok_or("a block is gone")?;
        if !Native::is_contents_index(&block) {
            continue;
        }
        let index = Native::decode_contents_index::<Sha1>(&block)?;
        let below = index.parts.iter().map(|part| part.hash);
        if index.level == 1 { names.extend(below) } else { todo.extend(below) }
    }
    Ok(names)
}

fn report(what: &str, size: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {seconds:.1} s, {:.0} MiB/s", (size >> 20) as f64 / seconds);
}

fn length(file: &Path) -> Done<u64> {
    Ok(std::fs::metadata(file)?.len())
}

/// Returns the most memory that this process has had.
fn peak_bytes() -> Done<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}

/// A stream of bytes without a pattern: `SplitMix64`.
struct Noise {
    state: u64,
    /// Bytes that were made and not given.
    made: Vec<u8>,
    left: u64,
}

impl Noise {
    const fn of(length: u64) -> Self {
        Self { state: 1, made: Vec::new(), left: length }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl AsyncRead for Noise {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.made.len() < buffer.remaining().min(1 << 16) {
            let bytes = self.next().to_le_bytes();
            self.made.extend_from_slice(&bytes);
        }
        let most = buffer.remaining().min(self.made.len());
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        buffer.put_slice(&self.made[..length]);
        drop(self.made.drain(..length));
        self.left -= length as u64;
        Poll::Ready(Ok(()))
    }
}
