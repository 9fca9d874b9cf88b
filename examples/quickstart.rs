//! The main job, on real input: a directory tree is committed, forked, edited on both sides, merged
//! and watched, and every file is read back byte for byte. The repository is on disk: the next run goes
//! on where this one ended, or was killed.
//!
//! ```sh
//! cargo run --release --example quickstart                      # this project's own checkout
//! cargo run --release --example quickstart -- ~/notes           # a directory of yours, which is only read
//! cargo run --release --example quickstart -- ~/notes ~/history # and where the repository is kept
//! ```
//!
//! Everything below the directory is read, binary files and hidden ones too, but for `.git`, what a
//! `.gitignore` leaves out, and the repository itself. Without an argument it is the checkout that the
//! example was built in, wherever it is run. The repository is kept in the directory `quickstart` beside
//! the build, unless another is named. The files are held in memory, so at most 1 GiB is taken.
//!
//! The exit code is 0 if everything was read, merged and found again; otherwise it is 1, and the
//! standard error says what was wrong.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path as FilePath, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ignore::{DirEntry, WalkBuilder};
use ramus::{BranchWatch, Bytes, Commit, Error, ErrorKind, Kind, Kv, Path, Step, Store};

type Files = Kv<Bytes>;
type Failure = Box<dyn StdError + Send + Sync>;

const USAGE: &str = "usage: quickstart [DIRECTORY [REPOSITORY]]";
const LAST_MESSAGE: &str = "merge draft";
/// How many lines of a list are shown.
const SHOWN_MAX: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&*failure);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Places { root, data } = Places::of_arguments()?;
    say(format_args!("The directory {}", root.display()))?;
    say(format_args!("as a repository in {}\n", data.display()))?;

    let clock = Instant::now();
    let repo = ramus::open::<Files>(&location(&data)?).await?;
    let main = repo.main().await?;
    match main.head().await? {
        Some(head) => {
            let (name, message) = (short(&head), &head.info().message);
            done(clock, format_args!("opened it; `main` is on {name}, `{message}`"))?;
        }
        None => done(clock, format_args!("opened it; it is new"))?,
    }

    let clock = Instant::now();
    let (walked, kept) = (root.clone(), data.clone());
    let input = tokio::task::spawn_blocking(move || Input::read(&walked, &kept)).await??;
    let Input { mut files, skipped, mut faults } = input;
    let bytes: usize = files.values().map(Bytes::len).sum();
    done(clock, format_args!("read {} files, {}{skipped}", files.len(), size(bytes)))?;
    if files.is_empty() {
        return Err(format!("there is no file to read in {}", root.display()).into());
    }

    let first = commit_all(&main, &mut files, &mut faults).await?;

    let clock = Instant::now();
    let draft = repo.branch("draft").await?;
    // It may be there from the last time.
    draft.set_head(&first).await?;
    done(clock, format_args!("forked `draft` from `main`"))?;

    let changes = main.watch("").await?;
    let watcher = tokio::spawn(report_changes(changes));

    let plan = Plan::new(&files);
    let clock = Instant::now();
    let moves = edit(&main, &plan.main).await? + 1; // the merge is one more
    edit(&draft, &plan.draft).await?;
    done(clock, format_args!("edited both branches: {}; {}", plan.main, plan.draft))?;

    let clock = Instant::now();
    let merged = main.merge(&draft, LAST_MESSAGE).await?.clean()?;
    let merged = merged.ok_or("`draft` has commits of its own, and nothing was merged")?;
    done(clock, format_args!("merged `draft` into `main`"))?;
    let events = watcher.await??;

    show_log(&main).await?;
    show_diff(&first, &merged).await?;

    let clock = Instant::now();
    plan.main.apply(&mut files);
    plan.draft.apply(&mut files);
    let bytes = check(&merged, &files).await?;
    if events != moves {
        return Err(format!("`main` moved {moves} times, and the watch told of {events}").into());
    }
    say(format_args!(""))?;
    done(clock, format_args!("read {} files back, {}: byte for byte", files.len(), size(bytes)))?;
    match faults.0 {
        0 => Ok(()),
        count => Err(format!("left out {count} of what was to be read, as said above").into()),
    }
}

/// What is read, and where the repository is.
struct Places {
    root: PathBuf,
    data: PathBuf,
}

impl Places {
    fn of_arguments() -> Result<Self, Failure> {
        let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
        let is_option = |path: &PathBuf| path.as_os_str().as_encoded_bytes().starts_with(b"-");
        if arguments.len() > 2 || arguments.iter().any(is_option) {
            return Err(USAGE.into());
        }
        let mut arguments = arguments.into_iter();
        let checkout = || FilePath::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = arguments.next().unwrap_or_else(checkout);
        let root = fs::canonicalize(&root)
            .map_err(|cause| fault(format!("cannot read {}; {USAGE}", root.display()), cause))?;
        if !root.is_dir() {
            return Err(format!("{} is not a directory; {USAGE}", root.display()).into());
        }
        let data = arguments.next().map_or_else(beside_the_build, Ok)?;
        let made = fs::create_dir_all(&data).and_then(|()| fs::canonicalize(&data));
        let data = made.map_err(|cause| {
            fault(format!("cannot keep a repository in {}; {USAGE}", data.display()), cause)
        })?;
        if data == root {
            let data = data.display();
            return Err(format!("{data} cannot be read and be the repository, too; {USAGE}").into());
        }
        Ok(Self { root, data })
    }
}

/// Returns a directory that is there as long as what was built is.
fn beside_the_build() -> Result<PathBuf, Failure> {
    // The program is `target/release/examples/quickstart`.
    let program = std::env::current_exe()?;
    let build = program.ancestors().nth(2).ok_or("the program is in no directory")?;
    Ok(build.join("quickstart"))
}

/// Returns what is opened: a path is escaped where it would mean something else.
fn location(data: &FilePath) -> Result<String, Failure> {
    let path = data.to_str().ok_or_else(|| {
        format!("the path {} is not UTF-8, which a location has to be", data.display())
    })?;
    Ok(format!("pack:{}", path.replace('%', "%25").replace('?', "%3F")))
}

/// What was read from the directory.
struct Input {
    files: BTreeMap<Path, Bytes>,
    skipped: Skipped,
    faults: Faults,
}

/// How many files were left out because of a fault.
struct Faults(usize);

impl Faults {
    fn add(&mut self, fault: &(dyn StdError + 'static)) {
        self.0 += 1;
        complain(fault);
    }
}

/// What is no file.
#[derive(Default)]
struct Skipped {
    links: usize,
    /// Sockets, devices and the like.
    others: usize,
}

impl Input {
    /// The most bytes that are taken from one file, since files are read whole into memory.
    const FILE_MAX: usize = (64 << 20) - 1;
    /// The most bytes that are taken in all.
    const TOTAL_MAX: usize = 1 << 30;

    fn read(root: &FilePath, data: &FilePath) -> Result<Self, Failure> {
        let mut input =
            Self { files: BTreeMap::new(), skipped: Skipped::default(), faults: Faults(0) };
        let mut walk = WalkBuilder::new(root);
        walk.hidden(false).ignore(false).git_global(false).git_exclude(false).require_git(false);
        let data = data.to_owned();
        walk.filter_entry(move |entry| {
            entry.depth() == 0 || (entry.file_name() != ".git" && entry.path() != data)
        });
        let mut total = 0;
        for entry in walk.build() {
            match entry {
                Ok(entry) => input.take(root, &entry, &mut total),
                Err(cause) => input.faults.add(&*fault("cannot read an entry", cause)),
            }
            if total > Self::TOTAL_MAX {
                let max = size(Self::TOTAL_MAX);
                return Err(format!(
                    "{} holds more than {max}, which is kept in memory; name a smaller directory",
                    root.display()
                )
                .into());
            }
        }
        Ok(input)
    }

    fn take(&mut self, root: &FilePath, entry: &DirEntry, total: &mut usize) {
        let Some(kind) = entry.file_type() else { return };
        if kind.is_symlink() {
            self.skipped.links += 1;
        } else if kind.is_file() {
            let read =
                place(root, entry.path()).and_then(|path| Ok((path, content(entry.path())?)));
            match read {
                Ok((path, bytes)) => {
                    *total += bytes.len();
                    self.files.insert(path, bytes);
                }
                Err(fault) => self.faults.add(&*fault),
            }
        } else if !kind.is_dir() {
            self.skipped.others += 1;
        }
    }
}

/// Returns where a file goes in the repository. Steps are bytes, so names need not be UTF-8.
fn place(root: &FilePath, file: &FilePath) -> Result<Path, Failure> {
    let below = file.strip_prefix(root)?;
    let step = |name: &std::ffi::OsStr| Step::new(Bytes::copy_from_slice(name.as_encoded_bytes()));
    let path = below.iter().map(step).collect::<ramus::Result<Path>>();
    path.map_err(|cause| fault(format!("cannot store {}", file.display()), cause))
}

fn content(file: &FilePath) -> Result<Bytes, Failure> {
    let max = Input::FILE_MAX;
    let mut bytes = Vec::new();
    // Never more than fits, whatever the file says of its size.
    File::open(file)
        .and_then(|open| open.take(max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|cause| fault(format!("cannot read {}", file.display()), cause))?;
    if bytes.len() > max {
        let (file, max) = (file.display(), size(max));
        return Err(format!("cannot store {file}: it has more than {max}").into());
    }
    Ok(bytes.into())
}

/// Commits all files in one transaction, in place of what was there. Those that the repository does
/// not take are left out.
async fn commit_all(
    main: &Store<Files>,
    files: &mut BTreeMap<Path, Bytes>,
    faults: &mut Faults,
) -> Result<Commit<Files>, Failure> {
    let clock = Instant::now();
    let mut tree = main.repo().empty_tree();
    let mut refused = Vec::new();
    for (path, bytes) in &*files {
        match tree.set(path, bytes.clone()).await {
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::Limit => refused.push((path.clone(), cause)),
            Err(failure) => return Err(failure.into()),
        }
    }
    for (path, cause) in refused {
        files.remove(&path);
        faults.add(&*fault(format!("cannot store {path}"), cause));
    }
    if files.is_empty() {
        return Err("none of the files could be stored".into());
    }
    if let Some(commit) = main.set_tree("", &tree, "the directory as it was read").await? {
        done(clock, format_args!("committed them as {}", short(&commit)))?;
        return Ok(commit);
    }
    let head = main.head().await?.ok_or("`main` was removed")?;
    done(clock, format_args!("they are what {} holds already", short(&head)))?;
    Ok(head)
}

/// What is to be done on the two branches: to different files, so that it merges.
struct Plan {
    main: Edits,
    draft: Edits,
}

/// What is to be done on one branch.
struct Edits {
    branch: &'static str,
    set: BTreeMap<Path, Bytes>,
    removed: Vec<Path>,
}

impl Plan {
    /// Of ten files each branch edits one and removes one, and it adds one of its own.
    fn new(files: &BTreeMap<Path, Bytes>) -> Self {
        const EDITED_MAX: usize = 1 << 20;
        let (mut main, mut draft) = (Edits::new("main"), Edits::new("draft"));
        for (index, (path, bytes)) in files.iter().enumerate() {
            match index % 10 {
                1 if bytes.len() <= EDITED_MAX => main.edit(path, bytes),
                3 => main.removed.push(path.clone()),
                5 if bytes.len() <= EDITED_MAX => draft.edit(path, bytes),
                7 => draft.removed.push(path.clone()),
                _ => {}
            }
        }
        main.add(files);
        draft.add(files);
        Self { main, draft }
    }
}

impl Edits {
    fn new(branch: &'static str) -> Self {
        Self { branch, set: BTreeMap::new(), removed: Vec::new() }
    }

    fn edit(&mut self, path: &Path, bytes: &Bytes) {
        let line = format!("\nedited on {}\n", self.branch);
        self.set.insert(path.clone(), [bytes, line.as_bytes()].concat().into());
    }

    /// Adds a file under a name that is free.
    fn add(&mut self, files: &BTreeMap<Path, Bytes>) {
        let mut name = format!("quickstart-{}.txt", self.branch).into_bytes();
        let taken = |name: &[u8]| files.keys().any(|path| path.iter().next() == Some(name));
        while taken(&name) {
            name.insert(0, b'_');
        }
        if let Ok(step) = Step::new(name) {
            self.set.insert(step.into(), format!("added on {}\n", self.branch).into());
        }
    }

    /// Does the same to plain values: what the repository must come to hold.
    fn apply(&self, files: &mut BTreeMap<Path, Bytes>) {
        files.retain(|path, _| !self.removed.contains(path));
        files.extend(self.set.iter().map(|(path, bytes)| (path.clone(), bytes.clone())));
    }
}

impl Display for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branch, set, removed } = self;
        write!(f, "{branch} sets {} and removes {}", set.len(), removed.len())
    }
}

/// Commits the edits to the branch; returns how many commits that made.
async fn edit(store: &Store<Files>, edits: &Edits) -> Result<usize, Failure> {
    let Edits { branch, set, removed } = edits;
    let mut edit = store.begin().await?;
    for (path, bytes) in set {
        edit.set(path, bytes.clone()).await?;
    }
    let set = store.commit(edit, format!("set {} files on {branch}", set.len())).await?;

    let mut edit = store.begin().await?;
    for path in removed {
        edit.remove(path).await?;
    }
    let removed = store.commit(edit, format!("remove {} files on {branch}", removed.len())).await?;
    Ok([set, removed].iter().flatten().count())
}

/// Prints what becomes of `main`, as it is told, until the merge; returns how many events there were.
async fn report_changes(mut changes: BranchWatch<Files>) -> Result<usize, Failure> {
    let mut events = 0;
    let mut last: Option<Commit<Files>> = None;
    while let Some(event) = changes.next().await {
        let event = event?;
        events += 1;
        if last.is_some() && last != event.old {
            return Err("an event does not begin where the one before it ended".into());
        }
        let paths = event.diff().await?.collect().await?.len();
        let new = event.new.ok_or("`main` was removed")?;
        let message = &new.info().message;
        say(format_args!("{:>12}  watch: {}, {paths} paths, `{message}`", "", short(&new)))?;
        if message == LAST_MESSAGE {
            return Ok(events);
        }
        last = Some(new);
    }
    Err("the watch ended before the merge".into())
}

async fn show_log(main: &Store<Files>) -> Result<(), Failure> {
    say(format_args!("\nThe log of main, newest first"))?;
    let mut log = main.log().await?;
    let mut count = 0;
    while let Some(commit) = log.next().await {
        let commit = commit?;
        count += 1;
        if count > SHOWN_MAX {
            continue;
        }
        let info = commit.info();
        let author = info.author.as_deref().unwrap_or("nobody");
        let (name, message) = (short(&commit), &info.message);
        let merge = if commit.parents().len() > 1 { " (two parents)" } else { "" };
        say(format_args!("  {name}  {author}  {message}{merge}"))?;
    }
    if count > SHOWN_MAX {
        say(format_args!("  and {} more", count - SHOWN_MAX))?;
    }
    Ok(())
}

async fn show_diff(first: &Commit<Files>, merged: &Commit<Files>) -> Result<(), Failure> {
    let clock = Instant::now();
    let differences = first.tree().diff(&merged.tree()).collect().await?;
    let count = differences.len();
    say(format_args!("\nWhat differs from {} to {}", short(first), short(merged)))?;
    for difference in differences.iter().take(SHOWN_MAX) {
        let sign = match (difference.old, difference.new) {
            (None, _) => '+',
            (_, None) => '-',
            (Some(_), Some(_)) => '~',
        };
        say(format_args!("  {sign} {}", shown(&difference.path)))?;
    }
    if count > SHOWN_MAX {
        say(format_args!("  and {} more", count - SHOWN_MAX))?;
    }
    done(clock, format_args!("found {count} paths that differ"))
}

/// Reads every file of a commit and compares it; returns how many bytes there were.
async fn check(commit: &Commit<Files>, expected: &BTreeMap<Path, Bytes>) -> Result<usize, Failure> {
    let tree = commit.tree();
    let mut missing = expected.clone();
    let mut directories = vec![Path::root()];
    let mut total = 0;
    while let Some(directory) = directories.pop() {
        for entry in tree.list(&directory).await? {
            let path = directory.child(&entry.step);
            match entry.kind {
                Kind::Directory => directories.push(path),
                Kind::Contents | Kind::Conflict => {
                    let bytes = tree.find(&path).await?;
                    if bytes != missing.remove(&path) {
                        return Err(format!("{} is not what it must be", shown(&path)).into());
                    }
                    total += bytes.map_or(0, |bytes| bytes.len());
                }
            }
        }
    }
    match missing.keys().next() {
        None => Ok(total),
        Some(path) => Err(format!("{} was lost", shown(path)).into()),
    }
}

/// Prints one line of standard output; one that nobody reads any more is a failure and no panic.
fn say(line: fmt::Arguments<'_>) -> Result<(), Failure> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// Prints what was done and how long it took.
fn done(clock: Instant, what: fmt::Arguments<'_>) -> Result<(), Failure> {
    let took: Duration = clock.elapsed();
    say(format_args!("{:>9.1} ms  {what}", took.as_secs_f64() * 1000.0))
}

/// Prints a failure and its causes; whether anybody reads it does not matter here.
fn complain(failure: &(dyn StdError + 'static)) {
    let mut text = format!("quickstart: {}", failure.to_string().escape_debug());
    let mut source = failure.source();
    while let Some(cause) = source {
        text = format!("{text}: {}", cause.to_string().escape_debug());
        source = cause.source();
    }
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Returns a failure that says what was attempted, with its cause.
fn fault(message: impl Into<String>, cause: impl Into<Failure>) -> Failure {
    Error::new(ErrorKind::InvalidInput, message).with_source(cause).into()
}

/// Returns a path as it can be shown: what a terminal would obey is escaped.
fn shown(path: &Path) -> String {
    path.to_string().escape_debug().to_string()
}

fn short(commit: &Commit<Files>) -> String {
    commit.hash().to_string().chars().take(10).collect()
}

fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

impl Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { links, others } = self;
        if *links > 0 {
            write!(f, "; skipped {links} symlinks")?;
        }
        if *others > 0 {
            write!(f, "; skipped {others} that are neither file nor directory")?;
        }
        Ok(())
    }
}
