use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::context::Context;

/// What is to be known about a run: the first line of its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The command that did it.
    pub(crate) command: String,
    /// How large the workloads were: `quick` or `full`.
    pub(crate) scale: String,
    /// How many rounds there were.
    pub(crate) rounds: usize,
    /// On what it ran.
    pub(crate) machine: String,
    /// The version of Ramus and of each peer.
    pub(crate) versions: BTreeMap<String, String>,
}

impl About {
    pub(crate) fn of(context: &Context<'_>) -> Self {
        let peers = context.peers().map(|peer| (family(peer.name()), peer.version()));
        let own = ("ramus".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self {
            command: command(context),
            scale: context.options.scale.name().to_owned(),
            rounds: context.options.repeat.max(1),
            machine: machine(),
            versions: peers.chain([own]).collect(),
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} scale, {} rounds, {}", self.scale, self.rounds, self.machine)?;
        for (subject, version) in &self.versions {
            write!(f, "\n{subject} {version}")?;
        }
        Ok(())
    }
}

/// Returns the name of a peer without what says how it is used.
fn family(peer: &str) -> String {
    let name = peer.strip_suffix("-os").unwrap_or(peer);
    name.strip_suffix("-plain").unwrap_or(name).to_owned()
}

/// The command without what names places on this machine.
fn command(context: &Context<'_>) -> String {
    let options = context.options;
    let has = |name: &str| context.peers.iter().any(|peer| family(peer.name()) == name);
    let program = match context.peers {
        [] => "-p ramus-bench",
        // The only peer that is not built by default.
        _ if has("prollytree-mem") => {
            "--manifest-path crates/ramus-bench/peers/Cargo.toml --features prollytree"
        }
        _ => "--manifest-path crates/ramus-bench/peers/Cargo.toml",
    };
    let workloads = options.workloads.iter().map(|workload| format!(" {}", workload.name()));
    let subjects = options.subjects.iter().map(|subject| format!(" --subject {subject}"));
    let chosen: String = workloads.chain(subjects).collect();
    let (scale, rounds) = (options.scale.name(), options.repeat);
    let memory = if options.memory { " --memory" } else { "" };
    format!(
        "cargo run --release {program} -- run{chosen} --scale {scale} --repeat {rounds}{memory}"
    )
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    format!("{cores} cores, {model}, {}", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_use_a_peer_are_one_family() {
        let names = ["redb", "redb-os", "redb-plain", "redb-plain-os"];
        assert!(names.into_iter().all(|name| family(name) == "redb"));
    }
}
