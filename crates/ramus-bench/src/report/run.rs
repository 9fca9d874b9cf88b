use std::path::Path;

use crate::Result;
use crate::about::About;
use crate::line::Line;

/// What one file has: a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// The file's name.
    pub(super) name: String,
    /// What is to be known about it; its first line.
    pub(super) about: About,
    pub(super) lines: Vec<Line>,
}

impl Run {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|cause| format!("cannot read {}: {cause}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
        Self::parse(name, &text)
    }

    /// Takes the text of a file; what is wrong is told with the number of its line.
    pub(super) fn parse(name: String, text: &str) -> Result<Self> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let wanted = "this is to be a file that `ramus-bench run --json FILE` wrote";
        let (number, first) = lines.next().ok_or_else(|| format!("{name} is empty; {wanted}"))?;
        let about = serde_json::from_str(first).map_err(|cause| {
            format!("{name}, line {number}: it does not say what was run ({cause}); {wanted}")
        })?;
        let line = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|cause| {
                format!("{name}, line {number}: not the figures of a step ({cause}); {wanted}")
            })
        };
        let lines = lines.map(line).collect::<Result<_, _>>()?;
        Ok(Self { name, about, lines })
    }

    /// Returns the names of the workloads, in the order in which they were done.
    pub(super) fn workloads(&self) -> Vec<&str> {
        let mut workloads: Vec<&str> = Vec::new();
        for line in &self.lines {
            if !workloads.contains(&line.workload.as_str()) {
                workloads.push(&line.workload);
            }
        }
        workloads
    }

    /// Returns the steps of a workload, and who did each.
    pub(super) fn steps(&self, workload: &str) -> Vec<(&str, Vec<&Line>)> {
        let mut steps: Vec<(&str, Vec<&Line>)> = Vec::new();
        for line in self.lines.iter().filter(|line| line.workload == workload) {
            match steps.iter_mut().find(|(step, _)| *step == line.step) {
                Some((_, lines)) => lines.push(line),
                None => steps.push((&line.step, vec![line])),
            }
        }
        steps
    }

    /// Returns whether others than Ramus and the floor took part.
    pub(super) fn has_peers(&self) -> bool {
        self.lines.iter().any(|line| crate::ratio::is_peer(&line.subject))
    }
}
