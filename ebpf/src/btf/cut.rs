//! The kernel's description, cut down to what a loader of probes looks for.
//!
//! It looks for two things: the types that the probes use, whose members it finds by name, and the
//! numbers of tracepoints and functions, which must be the kernel's own. Each look goes through
//! all types that there are, and each type costs the loader an allocation. So each thing has a
//! description of its own: one that holds few types, with new numbers, and one that goes as far as
//! the last of those numbers, and holds hardly more than them.

use std::collections::{HashMap, HashSet};

use super::{
    ARRAY, Btf, CONST, ENUM, ENUM64, FUNC, FWD, HEADER_BYTES, PTR, RESTRICT, STRUCT, TYPE_BYTES,
    TYPE_TAG, TYPEDEF, Type, UNION, VOLATILE, elf_section, elf_sections, text_at, u32_at,
};

/// A forward declaration without a name: the smallest type.
const NAMELESS: [u8; TYPE_BYTES] = {
    let mut bytes = [0; TYPE_BYTES];
    let info = (FWD << 24).to_ne_bytes();
    let mut at = 0;
    while at < info.len() {
        bytes[info.len() + at] = info[at];
        at += 1;
    }
    bytes
};

/// The two descriptions, as the bytes of BTF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The types that [`crate::object`] uses, with all that they contain.
    pub types: Vec<u8>,
    /// What its programs attach to, as far as the kernel has it, under its numbers.
    pub targets: Vec<u8>,
}

/// Something that a program attaches to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// TYPEDEF for a tracepoint, FUNC for a function.
    kind: u32,
    /// As a loader looks for it.
    name: String,
}

impl Target {
    /// These bytes begin with its name and a NUL.
    fn is_called(&self, bytes: &[u8]) -> bool {
        let name = self.name.as_bytes();
        // Nearly all differ in the first byte.
        bytes.first() == name.first()
            && bytes.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// Cuts the kernel's description, as read from /sys/kernel/btf/vmlinux. None when it cannot be
/// read; the whole one then has to do.
pub fn cut_for_probes(kernel: &[u8]) -> Option<Cut> {
    let object = Btf::parse(elf_section(crate::object(), ".BTF")?)?;
    let kernel = Btf::parse(kernel)?;
    let types = kernel.compact(&object.composite_names())?;
    Some(Cut { types, targets: kernel.numbers_of(&targets(crate::object())?)? })
}

/// What the programs of an object attach to by number. Their sections are named after it.
fn targets(elf: &[u8]) -> Option<Vec<Target>> {
    let target = |(section, _): (&str, _)| {
        let (kind, name) = match section.split_once('/')? {
            ("tp_btf", name) => (TYPEDEF, format!("btf_trace_{name}")),
            ("fentry", name) => (FUNC, name.to_owned()),
            ("iter", name) => (FUNC, format!("bpf_iter_{name}")),
            _ => return None,
        };
        Some(Target { kind, name })
    };
    Some(elf_sections(elf)?.filter_map(target).collect())
}

impl<'a> Btf<'a> {
    /// Only the composite types of these names, and what they contain, in their order. What they
    /// point to is void, unless it is among them.
    pub(super) fn compact(&self, names: &HashSet<&str>) -> Option<Vec<u8>> {
        let kept = self.reachable(names);
        let mut numbers = vec![0_u32; kept.len() + 1];
        let mut count = 0;
        for (index, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            count += 1;
            numbers[index + 1] = count;
        }
        let mut out = Writer::new(numbers);
        for (found, _) in self.types().zip(kept).filter(|(_, kept)| *kept) {
            out.push(&found, self.strings)?;
        }
        out.finish(self.bytes)
    }

    /// All types up to the last of these, the others as forward declarations without a name, so
    /// that these have their numbers.
    pub(super) fn numbers_of(&self, targets: &[Target]) -> Option<Vec<u8>> {
        // Kernels have 50,000 functions: their names are compared where they stand.
        let is_target = |found: &Type<'a>| {
            let mut of_kind = targets.iter().filter(|target| target.kind == found.kind);
            let name = || self.strings.get(u32_at(found.bytes, 0)?..);
            of_kind.any(|target| name().is_some_and(|name| target.is_called(name)))
        };
        let mut out = Writer::new(vec![0; self.starts.len() + 1]);
        let mut written = 0;
        for (index, found) in self.types().enumerate().filter(|(_, found)| is_target(found)) {
            for _ in written..index {
                out.types.extend_from_slice(&NAMELESS);
            }
            out.push(&found, self.strings)?;
            written = index + 1;
        }
        out.finish(self.bytes)
    }

    /// For each type, whether it has one of the names or is contained in such a type.
    fn reachable(&self, names: &HashSet<&str>) -> Vec<bool> {
        let mut kept = vec![false; self.starts.len()];
        let named = |found: &Type<'a>| found.is_composite() && names.contains(self.name(found));
        let all = (1..).zip(self.types());
        let mut pending: Vec<usize> =
            all.filter(|(_, found)| named(found)).map(|(number, _)| number).collect();
        while let Some(number) = pending.pop() {
            let Some(found) = self.get(number) else { continue };
            // The void type has number 0, so a type that was found has a slot.
            if std::mem::replace(&mut kept[number - 1], true) {
                continue;
            }
            match found.kind {
                STRUCT | UNION => {
                    pending.extend(found.members().filter_map(|member| u32_at(member, 4)));
                }
                ARRAY => {
                    pending.extend(
                        [0, 4].iter().filter_map(|at| u32_at(found.bytes, TYPE_BYTES + at)),
                    );
                }
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => pending.push(found.size),
                _ => {}
            }
        }
        kept
    }
}

/// A description in the making.
struct Writer {
    /// The new number of each type, by its old one; 0 where it is left out.
    numbers: Vec<u32>,
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Where each name stands, by where it stood.
    names: HashMap<usize, u32>,
}

impl Writer {
    fn new(numbers: Vec<u32>) -> Writer {
        // The first string is the empty one.
        Writer { numbers, types: Vec::new(), strings: vec![0], names: HashMap::from([(0, 0)]) }
    }

    /// Adds a type, with the new numbers of those that it refers to.
    fn push(&mut self, found: &Type<'_>, strings: &[u8]) -> Option<()> {
        let start = self.types.len();
        self.types.extend_from_slice(found.bytes);
        self.rename(start, strings)?;
        let body = start + TYPE_BYTES;
        match found.kind {
            PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG | FUNC => {
                self.renumber(start + 8)?;
            }
            ARRAY => {
                self.renumber(body)?;
                self.renumber(body + 4)?;
            }
            STRUCT | UNION => {
                for member in (body..self.types.len()).step_by(12) {
                    self.rename(member, strings)?;
                    self.renumber(member + 4)?;
                }
            }
            ENUM | ENUM64 => {
                let step = if found.kind == ENUM { 8 } else { 12 };
                for value in (body..self.types.len()).step_by(step) {
                    self.rename(value, strings)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Replaces where a name stood by where it stands.
    fn rename(&mut self, at: usize, strings: &[u8]) -> Option<()> {
        let old = u32_at(&self.types, at)?;
        let new = match self.names.get(&old) {
            Some(new) => *new,
            None => {
                let new = u32::try_from(self.strings.len()).ok()?;
                self.strings.extend_from_slice(text_at(strings, old)?.as_bytes());
                self.strings.push(0);
                self.names.insert(old, new);
                new
            }
        };
        self.put(at, new)
    }

    fn renumber(&mut self, at: usize) -> Option<()> {
        let new = *self.numbers.get(u32_at(&self.types, at)?)?;
        self.put(at, new)
    }

    fn put(&mut self, at: usize, word: u32) -> Option<()> {
        self.types.get_mut(at..at + 4)?.copy_from_slice(&word.to_ne_bytes());
        Some(())
    }

    /// The whole, with the first bytes of the header of what it was cut from.
    fn finish(self, original: &[u8]) -> Option<Vec<u8>> {
        let Writer { types, strings, .. } = self;
        let mut out = Vec::with_capacity(HEADER_BYTES + types.len() + strings.len());
        out.extend_from_slice(original.get(..4)?);
        for size in [HEADER_BYTES, 0, types.len(), types.len(), strings.len()] {
            out.extend_from_slice(&u32::try_from(size).ok()?.to_ne_bytes());
        }
        out.extend_from_slice(&types);
        out.extend_from_slice(&strings);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::own;
    use super::*;

    #[test]
    fn what_is_named_is_kept_whole_and_nothing_else() {
        let bytes = own();
        let whole = Btf::parse(&bytes).expect("clang writes BTF");
        let compact = whole.compact(&HashSet::from(["oc_record"])).expect("it can be cut");
        let small = Btf::parse(&compact).expect("it is BTF again");
        assert!(small.starts.len() < whole.starts.len() / 2, "{}", small.starts.len());
        for name in ["oc_record", "oc_head", "oc_span"] {
            assert_eq!(small.structure(name), whole.structure(name), "{name}");
            assert!(small.structure(name).is_some(), "{name}");
        }
        assert!(whole.structure("task_struct").is_some());
        assert!(!small.types().any(|found| small.name(&found) == "task_struct"));
    }

    #[test]
    fn values_of_enumerations_keep_their_names() {
        let bytes = own();
        let whole = Btf::parse(&bytes).expect("clang writes BTF");
        let compact = whole.compact(&HashSet::from(["cgroup_subsys_id"])).expect("it can be cut");
        let small = Btf::parse(&compact).expect("it is BTF again");
        let found = small.types().find(|found| small.name(found) == "cgroup_subsys_id");
        let value = u32_at(found.expect("it is kept").bytes, TYPE_BYTES).expect("it has one");
        assert_eq!(text_at(small.strings, value), Some("pids_cgrp_id"));
    }

    #[test]
    fn what_is_attached_to_keeps_its_number() {
        let bytes = own();
        let whole = Btf::parse(&bytes).expect("clang writes BTF");
        // The second one is a structure.
        let wanted = ["oc_exec_btf", "oc_record", "nonsense"];
        let wanted = wanted.map(|name| Target { kind: FUNC, name: name.to_owned() });
        let cut = whole.numbers_of(&wanted).expect("it can be cut");
        let small = Btf::parse(&cut).expect("it is BTF again");
        let named = |btf: &Btf<'_>| -> Vec<(usize, String)> {
            let all = btf.types().enumerate().map(|(index, it)| (index, btf.name(&it).to_owned()));
            all.filter(|(_, name)| wanted.iter().any(|target| target.name == *name)).collect()
        };
        let [(number, function)] = &named(&small)[..] else { panic!("{:?}", named(&small)) };
        assert_eq!(function, "oc_exec_btf");
        assert!(named(&whole).contains(&(*number, function.clone())));
        assert_eq!(small.starts.len(), number + 1);
    }

    #[test]
    fn sections_of_programs_name_what_they_attach_to() {
        let targets = targets(crate::object()).expect("clang writes ELF");
        for (kind, name) in [
            (TYPEDEF, "btf_trace_sched_process_exec"),
            (FUNC, "commit_creds"),
            (FUNC, "bpf_iter_task"),
        ] {
            let target = Target { kind, name: name.to_owned() };
            assert!(targets.contains(&target), "{target:?} is not in {targets:?}");
        }
    }
}
