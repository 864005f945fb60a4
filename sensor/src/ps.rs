//! `ocellus ps`: the process tree, as the sensor sees it when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::container;
use crate::input::Names;
use crate::raw::{Decoder, RawEvent};
use crate::sink::quote;

/// Deepest level that is drawn. A deeper tree goes on at the same indentation.
const DEPTH_MAX: usize = 64;

/// The tree of these processes, which are records of kind existing. Kernel threads are left out.
pub fn tree(records: &[Vec<u8>], names: &Names) -> String {
    let mut decoder = Decoder::default();
    let processes: BTreeMap<u32, Box<RawEvent>> = records
        .iter()
        .filter_map(|record| decoder.decode(record).ok())
        .filter(|raw| !raw.is_kernel_thread())
        .map(|raw| (raw.task.pid, raw))
        .collect();
    let mut children: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (pid, raw) in &processes {
        children.entry(raw.task.ppid).or_default().insert(*pid);
    }
    let mut out = format!("{:>7} {:<12} {:<12} {}\n", "PID", "USER", "CONTAINER", "COMMAND");
    // A root is a process whose parent is not listed: init, and what another namespace started.
    let roots = processes.iter().filter(|(_, raw)| !processes.contains_key(&raw.task.ppid));
    let mut waiting: Vec<(u32, usize)> = roots.map(|(pid, _)| (*pid, 0)).rev().collect();
    while let Some((pid, depth)) = waiting.pop() {
        let Some(raw) = processes.get(&pid) else { continue };
        line(&mut out, raw, depth, names);
        let below = children.get(&pid).into_iter().flatten();
        waiting.extend(below.rev().map(|child| (*child, depth + 1)));
    }
    out
}

fn line(out: &mut String, raw: &RawEvent, depth: usize, names: &Names) {
    let user = match names.users.get(&raw.task.euid) {
        Some(name) => quote::visible(name),
        None => raw.task.euid.to_string(),
    };
    let cgroup = raw.cgroup.as_ref().map_or("", |path| &path.value);
    let container = container::of_cgroup(cgroup);
    let id: String = container.map_or("-".into(), |it| it.id.chars().take(12).collect());
    let args = raw.image.as_ref().and_then(|image| image.args.as_ref());
    let command = match args {
        Some(args) => args.value.iter().map(quote::shell_word).collect::<Vec<_>>().join(" "),
        None => format!("[{}]", quote::visible(&raw.comm)),
    };
    let indent = "  ".repeat(depth.min(DEPTH_MAX));
    writeln!(out, "{:>7} {user:<12} {id:<12} {indent}{command}", raw.task.pid)
        .expect("a String takes it");
}
