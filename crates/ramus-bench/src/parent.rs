//! Runs each workload of each subject in a process of its own, and gathers what they say.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::about::About;
use crate::cli::RunOptions;
use crate::context::{Context, Measured};
use crate::line::Line;
use crate::memory::{self, Caches, Memory};
use crate::peer::Peer;
use crate::record::{self, Record};
use crate::subject::Subject;
use crate::workload::{self, Workload};
use crate::{Result, table};
use clap::ValueEnum as _;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) fn run(options: &RunOptions, peers: &[&'static dyn Peer]) -> Result<()> {
    check_subjects(&Context { options, peers })?;
    let mut options = options.clone();
    if options.memory && options.subjects.is_empty() {
        options.subjects = Subject::RAMUS.map(|subject| subject.name().to_owned()).to_vec();
    }
    let context = Context { options: &options, peers };
    let about = About::of(&context);
    println!("{about}");
    let mut lines = options.json.as_deref().map(create).transpose()?;
    if let Some(lines) = &mut lines {
        writeln!(lines, "{}", serde_json::to_string(&about)?)?;
    }
    let workloads = Workload::chosen(&options.workloads);
    let bar = ProgressBar::new(workloads.len() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}")?);
    let mut weighed = Vec::new();
    for workload in workloads {
        let records = record::medians(rounds(&context, workload, &bar)?);
        if let Some((one, other)) = record::differing(&records) {
            let (workload, step) = (&one.workload, &one.step);
            let [one, other] = [one, other].map(|record| (record.subject.name(), &record.result));
            return Err(format!("{workload}, {step}: {one:?} and {other:?} differ").into());
        }
        bar.suspend(|| {
            table::print(&records);
            workload.print_summary(&records);
        });
        if let Some(lines) = &mut lines {
            for record in &records {
                writeln!(lines, "{}", serde_json::to_string(record)?)?;
            }
        }
        weighed.extend(records.into_iter().filter(|record| record.memory.is_some()));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !options.memory {
        return Ok(());
    }
    match memory::print(&weighed) {
        above if above.is_empty() => Ok(()),
        above => Err(format!("more memory than it may take: {}", above.join(", ")).into()),
    }
}

fn create(path: &Path) -> Result<File> {
    let created = File::create(path);
    created.map_err(|cause| format!("cannot write {}: {cause}", path.display()).into())
}

/// Does one round of one workload here.
pub(crate) fn measure(options: &RunOptions, peers: &[&'static dyn Peer]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let context = Context { options, peers };
    Caches::choose(options.memory);
    for workload in &options.workloads {
        let mut records = runtime.block_on(workload.run(&context))?;
        if options.memory
            && let Some(last) = records.last_mut()
        {
            last.memory = Memory::of_this_process(last.subject != Subject::RamusMem);
        }
        for record in records {
            println!("{}", serde_json::to_string(&record)?);
        }
    }
    // A peer may have threads that do not end; nobody waits for them.
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(())
}

/// Makes the repository that is read to see what it takes in memory.
pub(crate) fn prepare(directory: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(workload::prepare(directory))
}

fn rounds(context: &Context<'_>, workload: Workload, bar: &ProgressBar) -> Measured {
    let subjects = workload.subjects(context);
    let groups: Vec<Vec<Subject>> = if workload.is_in_one_process() {
        vec![subjects]
    } else {
        subjects.into_iter().map(|subject| vec![subject]).collect()
    };
    let mut records = Vec::new();
    for _ in 0..context.options.repeat.max(1) {
        for group in groups.iter().filter(|group| !group.is_empty()) {
            let names: Vec<_> = group.iter().map(|subject| subject.name()).collect();
            bar.set_message(format!("{}: {}", workload.name(), names.join(", ")));
            records.extend(child(context.options, workload, group)?);
        }
    }
    Ok(records)
}

/// Measures a workload of some subjects in another process.
fn child(options: &RunOptions, workload: Workload, subjects: &[Subject]) -> Measured {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["measure", &workload.name(), "--scale", options.scale.name()]);
    for subject in subjects {
        command.args(["--subject", subject.name()]);
    }
    if options.memory {
        command.arg("--memory");
    }
    if let Some(directory) = &options.directory {
        command.arg("--directory").arg(directory);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(
            format!("{} failed: {} ({})", workload.name(), text.trim(), output.status).into()
        );
    }
    text.lines().map(|line| parse(line, &workload.name(), subjects)).collect()
}

/// Takes a record that another process printed.
pub(crate) fn parse(line: &str, workload: &str, subjects: &[Subject]) -> Result<Record> {
    let line: Line = serde_json::from_str(line)?;
    let floors = subjects.contains(&Subject::Floor).then_some(Subject::FLOORS);
    let subject = subjects.iter().copied().chain(floors.into_iter().flatten());
    let subject = subject.into_iter().find(|subject| subject.name() == line.subject);
    Ok(Record {
        workload: workload.to_owned(),
        step: line.step,
        subject: subject.ok_or("a subject that was not asked")?,
        n: line.n,
        ns_per_op: line.ns_per_op,
        ops_per_s: line.ops_per_s,
        peak_rss_bytes: line.peak_rss_bytes,
        bytes_written: line.bytes_written,
        cpu_ns_per_op: line.cpu_ns_per_op,
        ns_per_op_range: None,
        result: line.result,
        memory: line.memory,
    })
}

/// Refuses subjects that there are not, and those that would have nothing to do.
fn check_subjects(context: &Context<'_>) -> Result<()> {
    let own = Subject::RAMUS_ALONE.into_iter().chain([Subject::Floor]);
    let peers = context.peers.iter().map(|peer| peer.name());
    let known: Vec<_> = own.map(Subject::name).chain(peers).collect();
    let named = &context.options.subjects;
    if let Some(unknown) = named.iter().find(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        return Err(format!("no subject is called `{unknown}`; here there are: {known}").into());
    }
    let has = |workload: Workload, name: &str| {
        workload.subjects(context).iter().any(|subject| subject.name() == name)
    };
    let chosen = Workload::chosen(&context.options.workloads);
    let is_idle = |name: &&String| !chosen.iter().any(|workload| has(*workload, name));
    let Some(idle) = named.iter().find(is_idle) else { return Ok(()) };
    let mut workloads = Workload::chosen(&[]);
    workloads.retain(|workload| has(*workload, idle));
    let list = |workloads: &[Workload]| {
        workloads.iter().map(|workload| workload.name()).collect::<Vec<_>>().join(", ")
    };
    let (chosen, workloads) = (list(&chosen), list(&workloads));
    Err(format!("`{idle}` takes no part in {chosen}; it takes part in: {workloads}").into())
}

impl Workload {
    /// Returns its name, as it is given on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::peer::{PeerStore, Skill};
    use crate::record::Recorder;

    #[test]
    fn what_another_process_printed_is_taken_as_it_is() {
        let mut recorder = Recorder::new("wide");
        recorder.add(Subject::Floor, "update", 10, Duration::from_nanos(70), 400);
        recorder.used(Duration::from_nanos(50));
        recorder.result(&"abc");
        recorder.records[0].memory = Some(Memory { bare: 1, held: 2, caches: 3 });
        let printed = serde_json::to_string(&recorder.records[0]).expect("it is written");
        let taken = parse(&printed, "wide", &[Subject::RamusMem, Subject::Floor]);
        let taken = serde_json::to_string(&taken.expect("it is taken")).expect("it is written");
        assert_eq!(taken, printed);
        assert!(parse(&printed, "wide", &[Subject::RamusMem]).is_err(), "nobody asked the floor");
    }

    fn refused(arguments: &[&str], peers: &[&'static dyn Peer]) -> String {
        let arguments = [&["ramus-bench", "run"], arguments].concat();
        let Command::Run(options) = Cli::parse_from(arguments).command else {
            panic!("it is a run");
        };
        run(&options, peers).expect_err("it is refused").to_string()
    }

    #[test]
    fn an_unknown_subject_is_refused_with_those_that_there_are() {
        let expected = "no subject is called `ramus-pak`; \
                        here there are: ramus-mem, ramus-pack, ramus-pack-caller, ramus-pack-os, floor";
        assert_eq!(refused(&["kvset", "--subject", "ramus-pak"], &[]), expected);
    }

    /// Keeps blocks, and nothing else.
    struct Shelf;

    impl Peer for Shelf {
        fn name(&self) -> &'static str {
            "shelf"
        }

        fn version(&self) -> String {
            "1".to_owned()
        }

        fn is_synced(&self) -> bool {
            true
        }

        fn skills(&self) -> &'static [Skill] {
            &[Skill::Blocks]
        }

        fn open(&self, _directory: &Path) -> Result<Box<dyn PeerStore>> {
            Err("nobody opens it here".into())
        }
    }

    #[test]
    fn a_subject_with_nothing_to_do_is_refused_before_anything_runs() {
        for (arguments, expected) in [
            (
                &["hot", "durable", "--subject", "ramus-mem", "--subject", "ramus-pack-os"][..],
                "`ramus-pack-os` takes no part in hot, durable; it takes part in: ca64, ca4k, aw, watch1, \
                 watch100, fanout, memory, kvset, tree, reads, wide10k, wide, merge, diff, proof, \
                 proofwide, bulk, growth, history, historynear, lastmodified",
            ),
            (
                &["tree", "--subject", "ramus-pack-caller"],
                "`ramus-pack-caller` takes no part in tree; it takes part in: \
                 kvset, wide10k, wide, durable",
            ),
            (
                &["kvset", "--subject", "shelf"],
                "`shelf` takes no part in kvset; it takes part in: ca64, ca4k",
            ),
        ] {
            assert_eq!(refused(arguments, &[&Shelf]), expected);
        }
        let refused = refused(&["inline", "--subject", "floor"], &[]);
        assert!(refused.starts_with("`floor` takes no part in inline; it takes part in: ca64, "));
    }
}
