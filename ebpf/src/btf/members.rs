//! Where the members of structures lie, pointers followed: `signal->tty->index`.

use std::collections::HashMap;

use super::{
    ARRAY, Btf, CONST, ENUM, PTR, RESTRICT, STRUCT, TYPE_BYTES, TYPE_TAG, TYPEDEF, Type, UNION,
    VOLATILE, text_at, u32_at,
};

/// Qualifiers in a row, and structures without a name inside each other, that are followed: real
/// ones have three or four.
const DEPTH_MAX: u32 = 16;

/// The way to a member through pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Offsets in bytes: what lies at the first one is a pointer, to which the second one is added,
    /// and so on. The last one is where the member itself is.
    pub offsets: Vec<usize>,
    /// Size of the member in bytes; of an array without a length, 0.
    pub size_bytes: usize,
}

/// Why there is no way to a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("no structure {name}")]
    Structure { name: String },
    #[error("no member {member} in {path}")]
    Member { member: String, path: String },
}

/// The structures of a kernel, by name.
#[derive(Debug)]
pub struct Members<'a> {
    btf: Btf<'a>,
    structures: HashMap<&'a str, usize>,
}

/// A place inside a structure that a pointer leads to.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset_bytes: usize,
    /// Number of the type that lies there.
    number: usize,
}

impl<'a> Members<'a> {
    pub fn new(btf: Btf<'a>) -> Members<'a> {
        let mut structures = HashMap::new();
        for (index, found) in btf.types().enumerate().filter(|(_, found)| found.kind == STRUCT) {
            let name = btf.name(&found);
            if !name.is_empty() {
                // A few names occur twice; the first is that of the core kernel.
                structures.entry(name).or_insert(index + 1);
            }
        }
        Members { btf, structures }
    }

    /// Size of a structure in bytes.
    pub fn size_bytes(&self, structure: &str) -> Option<usize> {
        self.btf.get(*self.structures.get(structure)?).map(|found| found.size)
    }

    /// The way from a pointer to `structure` to what `path` names. A path has members (`a.b`),
    /// elements (`a[2]`, `a[ENUMERATOR]`) and pointers to structures (`a->b`). Members of
    /// structures without a name are found as in C.
    pub fn route(&self, structure: &str, path: &str) -> Result<Route, RouteError> {
        let start = self.structures.get(structure);
        let mut number =
            *start.ok_or_else(|| RouteError::Structure { name: structure.to_owned() })?;
        let mut offsets = Vec::new();
        let mut size_bytes = 0;
        for (index, part) in path.split("->").enumerate() {
            let missing = || RouteError::Member { member: part.to_owned(), path: path.to_owned() };
            if index > 0 {
                number = self.pointee(number).ok_or_else(missing)?;
            }
            let place = self.follow(number, part).ok_or_else(missing)?;
            offsets.push(place.offset_bytes);
            number = place.number;
            size_bytes = self.btf.size_of(number, DEPTH_MAX).unwrap_or(0);
        }
        Ok(Route { offsets, size_bytes })
    }

    /// `a.b[2].c` in the structure with this number.
    fn follow(&self, number: usize, part: &str) -> Option<Place> {
        let mut place = Place { offset_bytes: 0, number };
        for piece in part.split('.') {
            let (name, index) = match piece.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']')?)),
                None => (piece, None),
            };
            let member = self.member(place.number, name, DEPTH_MAX)?;
            place.offset_bytes = place.offset_bytes.checked_add(member.offset_bytes)?;
            place.number = member.number;
            if let Some(index) = index {
                place = self.element(place, self.index(index)?)?;
            }
        }
        Some(place)
    }

    fn member(&self, number: usize, name: &str, depth: u32) -> Option<Place> {
        let found = self.plain(number)?;
        if depth == 0 || !matches!(found.kind, STRUCT | UNION) {
            return None;
        }
        // With this bit set an offset has the width of a bit field in its upper byte.
        let has_bit_fields = u32_at(found.bytes, 4)? >> 31 & 1 == 1;
        found.members().find_map(|member| {
            let bits = u32_at(member, 8)?;
            let (bits, width) =
                if has_bit_fields { (bits & 0xff_ffff, bits >> 24) } else { (bits, 0) };
            let here = Place { offset_bytes: bits / 8, number: u32_at(member, 4)? };
            let called = text_at(self.btf.strings, u32_at(member, 0)?)?;
            if called == name {
                return (width == 0 && bits % 8 == 0).then_some(here);
            }
            if !called.is_empty() {
                return None;
            }
            let inner = self.member(here.number, name, depth - 1)?;
            let offset_bytes = here.offset_bytes.checked_add(inner.offset_bytes)?;
            Some(Place { offset_bytes, ..inner })
        })
    }

    fn element(&self, place: Place, index: usize) -> Option<Place> {
        let found = self.plain(place.number)?;
        if found.kind != ARRAY {
            return None;
        }
        let number = u32_at(found.bytes, TYPE_BYTES)?;
        let skipped = self.btf.size_of(number, DEPTH_MAX)?.checked_mul(index)?;
        Some(Place { offset_bytes: place.offset_bytes.checked_add(skipped)?, number })
    }

    /// A number, or the value of an enumerator.
    fn index(&self, text: &str) -> Option<usize> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok();
        }
        let enums = self.btf.types().filter(|found| found.kind == ENUM);
        enums.flat_map(|found| found.enumerators()).find_map(|entry| {
            let name = text_at(self.btf.strings, u32_at(entry, 0)?)?;
            (name == text).then(|| u32_at(entry, 4)).flatten()
        })
    }

    fn pointee(&self, number: usize) -> Option<usize> {
        let found = self.plain(number)?;
        (found.kind == PTR).then_some(found.size)
    }

    /// The type itself, without qualifiers and names given to it.
    fn plain(&self, mut number: usize) -> Option<Type<'a>> {
        for _ in 0..DEPTH_MAX {
            let found = self.btf.get(number)?;
            match found.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => number = found.size,
                _ => return Some(found),
            }
        }
        None
    }
}

impl<'a> Type<'a> {
    fn enumerators(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.get(TYPE_BYTES..).unwrap_or_default().chunks_exact(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::elf_section;

    fn with_members(check: impl FnOnce(&Members<'_>)) {
        let bytes = elf_section(crate::object(), ".BTF").expect("the object has BTF");
        check(&Members::new(Btf::parse(bytes).expect("clang writes BTF")));
    }

    fn offsets(members: &Members<'_>, structure: &str, path: &str) -> Vec<usize> {
        members.route(structure, path).expect("it is declared").offsets
    }

    #[test]
    fn members_elements_and_nested_structures() {
        with_members(|members| {
            let route = members.route("oc_record", "task.ppid").expect("it is declared");
            assert_eq!(route, Route { offsets: vec![24 + 64], size_bytes: 4 });
            assert_eq!(offsets(members, "oc_record", "span[2].full"), [272 + 2 * 8 + 4]);
            assert_eq!(members.route("oc_task", "comm").expect("declared").size_bytes, 16);
            assert_eq!(members.size_bytes("oc_record"), Some(320));
        });
    }

    #[test]
    fn pointers_are_followed_by_their_types() {
        with_members(|members| {
            // Offsets are those of our own declarations, in their order.
            let direct = offsets(members, "tty_driver", "major");
            let through = offsets(members, "task_struct", "signal->tty->driver->major");
            assert_eq!(through.len(), 4);
            assert_eq!(through[3], direct[0]);
            // The first value of an enumeration that has no other.
            let by_name = offsets(members, "task_struct", "cgroups->subsys[pids_cgrp_id]->cgroup");
            let by_number = offsets(members, "task_struct", "cgroups->subsys[0]->cgroup");
            assert_eq!(by_name, by_number);
            let second = offsets(members, "task_struct", "cgroups->subsys[1]->cgroup");
            assert_eq!(second[1], by_number[1] + 8);
        });
    }

    #[test]
    fn what_is_missing_is_named() {
        with_members(|members| {
            let failed = |structure, path| members.route(structure, path).expect_err("missing");
            assert_eq!(failed("nonsense", "a").to_string(), "no structure nonsense");
            let error = failed("task_struct", "signal->nonsense");
            assert_eq!(error.to_string(), "no member nonsense in signal->nonsense");
            for path in ["tgid->a", "signal.tty", "tgid[0]", "comm[", "comm[NONSENSE]", "", "a->"] {
                failed("task_struct", path);
            }
        });
    }
}
