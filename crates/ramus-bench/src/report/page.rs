use std::fmt::Write as _;
use std::path::Path;

use super::run::Run;
use super::{bars, growth};
use crate::cli::ReportOptions;
use crate::line::Line;
use crate::table::{mib, time};
use crate::{Result, ratio};

/// A page, and the plots that it shows.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) text: String,
    /// The name and the text of each plot.
    pub(super) plots: Vec<(String, String)>,
    /// The directory of the plots, beside the page.
    directory: String,
}

impl Page {
    pub(super) fn of(runs: &[Run], options: &ReportOptions) -> Result<Self> {
        let stem = options.out.file_stem().ok_or("the page is to be a file")?;
        let directory = stem.display().to_string();
        let mut page = Self { text: String::new(), plots: Vec::new(), directory };
        page.head(runs, options)?;
        for run in runs {
            if run.has_peers() {
                page.slower(run)?;
            }
        }
        for (number, run) in (1..).zip(runs) {
            page.part(number, run)?;
        }
        Ok(page)
    }

    fn head(&mut self, runs: &[Run], options: &ReportOptions) -> Result<()> {
        let text = &mut self.text;
        writeln!(text, "# Performance\n")?;
        writeln!(text, "What the workloads of [the benchmarks](benchmarks.md) take.")?;
        writeln!(text, "This page is made by a program:\n\n```sh")?;
        for run in runs {
            writeln!(text, "{} --json {}", run.about.command, run.name)?;
        }
        writeln!(text, "{}\n```\n", command(options))?;
        if let Some(note) = &options.note {
            writeln!(text, "{note}\n")?;
        }
        for run in runs {
            let about = &run.about;
            let (scale, rounds, machine) = (&about.scale, about.rounds, &about.machine);
            let rounds = match rounds {
                1 => "one round".to_owned(),
                rounds => format!("{rounds} rounds, of which the median is shown and the range"),
            };
            write!(text, "- `{}`: {scale} scale, {rounds}; {machine};\n  ", run.name)?;
            let versions = about.versions.iter().map(|(name, version)| format!("{name} {version}"));
            writeln!(text, "{}.", versions.collect::<Vec<_>>().join(", "))?;
        }
        writeln!(
            text,
            "\n*To the floor* is how often the time of the floor goes into the time shown: the floor is the least\n\
             that the machine has to do, with the same durability where that makes a difference. *To Ramus* is how often the time of Ramus with the same durability goes\n\
             into that of the peer: more than 1 where Ramus is faster. In the plots of peers a bar to the right\n\
             says the same, and a red one to the left that the peer is faster. In `memory` sizes are compared:\n\
             there the column of bytes is what is asked."
        )?;
        Ok(())
    }

    /// Lists where a peer is faster than Ramus.
    fn slower(&mut self, run: &Run) -> Result<()> {
        let mut rows = Vec::new();
        for workload in run.workloads() {
            for (step, lines) in run.steps(workload) {
                for line in &lines {
                    if let Some(ratio) = ratio::to_ramus(line, &lines).filter(|ratio| *ratio < 1.0)
                    {
                        let subject = &line.subject;
                        let taken = time(line.ns_per_op);
                        let ratio = ratio::text(ratio);
                        rows.push(format!(
                            "| `{workload}` | {step} | {subject} | {taken} | {ratio} |"
                        ));
                    }
                }
            }
        }
        writeln!(self.text, "\n## Where a peer is faster, in `{}`\n", run.name)?;
        if rows.is_empty() {
            writeln!(self.text, "Nowhere.")?;
        } else {
            writeln!(
                self.text,
                "| workload | step | peer | its time | to Ramus |\n|---|---|---|--:|--:|"
            )?;
            writeln!(self.text, "{}", rows.join("\n"))?;
        }
        Ok(())
    }

    fn part(&mut self, number: usize, run: &Run) -> Result<()> {
        writeln!(self.text, "\n## The figures of `{}`", run.name)?;
        for workload in run.workloads() {
            let steps = run.steps(workload);
            writeln!(self.text, "\n### `{workload}`\n")?;
            self.table(&steps)?;
            let bars =
                if run.has_peers() { bars::of_peers(&steps)? } else { bars::of_floors(&steps)? };
            if let Some(plot) = bars {
                self.show(format!("{number}-{workload}"), workload, plot)?;
            }
            for (operation, plot) in growth::plots(&steps)? {
                let name = operation.replace(' ', "-");
                let name = format!("{number}-{workload}-{name}");
                self.show(name, &operation, plot)?;
            }
        }
        Ok(())
    }

    /// Shows a plot.
    fn show(&mut self, name: String, title: &str, plot: String) -> Result<()> {
        let directory = &self.directory;
        writeln!(self.text, "\n![{title}]({directory}/{name}.svg)")?;
        self.plots.push((name, plot));
        Ok(())
    }

    fn table(&mut self, steps: &[(&str, Vec<&Line>)]) -> Result<()> {
        let text = &mut self.text;
        let with_peers = steps.iter().flat_map(|(_, lines)| lines);
        let with_peers = with_peers.into_iter().any(|line| ratio::is_peer(&line.subject));
        let (head, rule) = if with_peers { (" to Ramus |", "--:|") } else { ("", "") };
        writeln!(
            text,
            "| step | subject | time | range | processor | per second | to the floor |{head} bytes written | peak MiB |"
        )?;
        writeln!(text, "|---|---|--:|--:|--:|--:|--:|{rule}--:|--:|")?;
        for (step, lines) in steps {
            let mut named = *step;
            for line in lines {
                let is_timed = !ratio::is_of_sizes(line);
                let timed = |cell: String| if is_timed { cell } else { String::new() };
                let taken = timed(time(line.ns_per_op));
                write!(text, "| {named} | {} | {taken} | ", line.subject)?;
                let range = line.ns_per_op_range.map(|range| range.map(time).join(" to "));
                write!(text, "{} | ", range.unwrap_or_default())?;
                write!(text, "{} | ", line.cpu_ns_per_op.map(time).unwrap_or_default())?;
                write!(text, "{} | ", timed(format!("{:.0}", line.ops_per_s)))?;
                write!(
                    text,
                    "{} | ",
                    ratio::to_floor(line, lines).map(ratio::text).unwrap_or_default()
                )?;
                if with_peers {
                    let ratio = ratio::to_ramus(line, lines);
                    write!(text, "{} | ", ratio.map(ratio::text).unwrap_or_default())?;
                }
                let bytes = match line.bytes_written / line.n.max(1) {
                    0 => String::new(),
                    bytes => bytes.to_string(),
                };
                writeln!(text, "{bytes} | {} |", mib(line.peak_rss_bytes))?;
                named = "";
            }
        }
        Ok(())
    }
}

/// The command that makes the page again, with the names of the files and not their places.
fn command(options: &ReportOptions) -> String {
    let name = |file: &Path| file.file_name().unwrap_or(file.as_os_str()).display().to_string();
    let files: Vec<_> = options.files.iter().map(|file| name(file)).collect();
    let (files, out) = (files.join(" "), name(&options.out));
    format!("cargo run --release -p ramus-bench -- report {files} --out docs/{out}")
}
