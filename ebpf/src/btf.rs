//! A small reader of BTF, the kernel's and an object's description of their types.
//!
//! It serves three purposes: to hold the mirror in [`crate::abi`] against what clang compiled; to
//! cut the kernel's description (5 MB, 130,000 types) down to what a loader looks for, before it
//! takes that apart at the cost of 20 MB and looks through all of it again and again; and to tell a
//! backend without eBPF where the members of kernel structures lie.

mod cut;
mod members;

use std::collections::HashSet;
use std::ffi::CStr;

pub use cut::{Cut, cut_for_probes};
pub use members::{Members, Route, RouteError};

const MAGIC: u16 = 0xeb9f;
/// Bytes of the header's known part, and of a type's fixed part.
const HEADER_BYTES: usize = 24;
const TYPE_BYTES: usize = 12;

/// Kinds of types (linux/btf.h).
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Bytes after the fixed part, for a type with `count` members.
fn extra_bytes(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * count,
        ENUM | FUNC_PROTO => 8 * count,
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        _ => return None,
    })
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<usize> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?) as usize)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<usize> {
    usize::try_from(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?)).ok()
}

fn part(bytes: &[u8], offset: usize, len: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(len)?)
}

fn text_at(bytes: &[u8], offset: usize) -> Option<&str> {
    CStr::from_bytes_until_nul(bytes.get(offset..)?).ok()?.to_str().ok()
}

/// The bytes of a section of a 64-bit ELF object in native byte order.
pub fn elf_section<'a>(elf: &'a [u8], name: &str) -> Option<&'a [u8]> {
    elf_sections(elf)?.find(|(found, _)| *found == name).map(|(_, bytes)| bytes)
}

/// The sections of such an object, by name. Those that cannot be read are left out.
fn elf_sections(elf: &[u8]) -> Option<impl Iterator<Item = (&str, &[u8])>> {
    let (table, size, count) = (u64_at(elf, 0x28)?, u16_at(elf, 0x3a)?, u16_at(elf, 0x3c)?);
    let header = move |index: u16| {
        let offset = usize::from(index).checked_mul(size.into())?.checked_add(table)?;
        part(elf, offset, size.into())
    };
    let bytes = move |header: &[u8]| part(elf, u64_at(header, 0x18)?, u64_at(header, 0x20)?);
    let names = bytes(header(u16_at(elf, 0x3e)?)?)?;
    Some((0..count).filter_map(move |index| {
        let header = header(index)?;
        Some((text_at(names, u32_at(header, 0)?)?, bytes(header)?))
    }))
}

/// A member of a structure or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructMember<'a> {
    pub name: &'a str,
    pub offset_bytes: usize,
    pub size_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Type<'a> {
    kind: u32,
    /// Size in bytes, or the number of the type referred to.
    size: usize,
    /// The type as it stands in the description.
    bytes: &'a [u8],
}

impl<'a> Type<'a> {
    /// None when the bytes end before the type does, or its kind is not known.
    fn read(bytes: &'a [u8]) -> Option<Type<'a>> {
        let info = u32_at(bytes, 4)?;
        let kind = (info >> 24 & 0x1f) as u32;
        let bytes = bytes.get(..TYPE_BYTES + extra_bytes(kind, info & 0xffff)?)?;
        Some(Type { kind, size: u32_at(bytes, 8)?, bytes })
    }

    /// Whether it has members or values, with names.
    fn is_composite(&self) -> bool {
        matches!(self.kind, STRUCT | UNION | ENUM | ENUM64)
    }

    fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.get(TYPE_BYTES..).unwrap_or_default().chunks_exact(12)
    }
}

/// Types in the order of their numbers, which begin at 1.
///
/// Only where each type begins is kept, and names are read when somebody asks for them: hardly any
/// of a kernel's types is ever looked at.
#[derive(Debug)]
pub struct Btf<'a> {
    bytes: &'a [u8],
    types: &'a [u8],
    /// Where each type begins in `types`.
    starts: Vec<u32>,
    strings: &'a [u8],
}

impl<'a> Btf<'a> {
    /// None when the bytes are not BTF, or have kinds of types that this reader does not know.
    pub fn parse(bytes: &'a [u8]) -> Option<Btf<'a>> {
        if u16_at(bytes, 0)? != MAGIC {
            return None;
        }
        let body = bytes.get(u32_at(bytes, 4)?..)?;
        let types = part(body, u32_at(bytes, 8)?, u32_at(bytes, 12)?)?;
        let strings = part(body, u32_at(bytes, 16)?, u32_at(bytes, 20)?)?;
        let mut starts = Vec::new();
        let mut start = 0;
        while start < types.len() {
            starts.push(u32::try_from(start).ok()?);
            start += Type::read(&types[start..])?.bytes.len();
        }
        Some(Btf { bytes, types, starts, strings })
    }

    fn get(&self, number: usize) -> Option<Type<'a>> {
        let start = *self.starts.get(number.checked_sub(1)?)?;
        Type::read(self.types.get(start as usize..)?)
    }

    /// All types, in the order of their numbers.
    fn types(&self) -> impl Iterator<Item = Type<'a>> {
        self.starts.iter().filter_map(|start| Type::read(self.types.get(*start as usize..)?))
    }

    /// Empty where a type has none, and where it is no text.
    fn name(&self, found: &Type<'a>) -> &'a str {
        u32_at(found.bytes, 0).and_then(|at| text_at(self.strings, at)).unwrap_or_default()
    }

    /// Size of a type. Qualifiers and arrays nest a few levels at most; more is not ours.
    fn size_of(&self, number: usize, depth: u32) -> Option<usize> {
        let found = self.get(number)?;
        match (found.kind, depth) {
            (_, 0) => None,
            (INT | STRUCT | UNION | ENUM | ENUM64 | FLOAT, _) => Some(found.size),
            (PTR, _) => Some(size_of::<u64>()),
            (ARRAY, _) => {
                let element = self.size_of(u32_at(found.bytes, TYPE_BYTES)?, depth - 1)?;
                element.checked_mul(u32_at(found.bytes, TYPE_BYTES + 8)?)
            }
            (TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG, _) => {
                self.size_of(found.size, depth - 1)
            }
            _ => None,
        }
    }

    /// Size and members of the structure with this name.
    pub fn structure(&self, name: &str) -> Option<(usize, Vec<StructMember<'a>>)> {
        const DEPTH_MAX: u32 = 16;
        let found = self.types().find(|found| found.kind == STRUCT && self.name(found) == name)?;
        let member = |bytes: &[u8]| {
            Some(StructMember {
                name: text_at(self.strings, u32_at(bytes, 0)?)?,
                offset_bytes: u32_at(bytes, 8)? / 8,
                size_bytes: self.size_of(u32_at(bytes, 4)?, DEPTH_MAX)?,
            })
        };
        Some((found.size, found.members().map(member).collect::<Option<_>>()?))
    }

    /// Names of all structures, unions and enumerations, without the suffix of a CO-RE flavour.
    pub fn composite_names(&self) -> HashSet<&'a str> {
        let plain = |name: &'a str| name.split_once("___").map_or(name, |(plain, _)| plain);
        let composite = self.types().filter(Type::is_composite).map(|found| self.name(&found));
        composite.filter(|name| !name.is_empty()).map(plain).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BTF of the object with the probes.
    pub(super) fn own() -> Vec<u8> {
        elf_section(crate::object(), ".BTF").expect("the object has BTF").to_vec()
    }

    #[test]
    fn names_lose_their_flavour() {
        let bytes = own();
        let names = Btf::parse(&bytes).expect("clang writes BTF").composite_names();
        assert!(names.contains("inode") && names.contains("cgroup_subsys_id"));
        assert!(names.iter().all(|name| !name.contains("___")));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let bytes = own();
        for len in (0..bytes.len()).step_by(13) {
            let _ = Btf::parse(&bytes[..len]).map(|btf| btf.structure("oc_record"));
            let _ = elf_section(&crate::object()[..len], ".BTF");
        }
        // A prime step: the positions within types differ from one to the next.
        for position in (0..bytes.len()).step_by(13) {
            let mut broken = bytes.clone();
            broken[position] ^= 0xff;
            if let Some(btf) = Btf::parse(&broken) {
                let _ = btf.structure("oc_record");
                let _ = btf.compact(&HashSet::from(["oc_record", "task_struct"]));
                let _ = cut::cut_for_probes(&broken);
            }
        }
    }
}
