//! The mirror against the object: the structures that clang compiled have the sizes, names and
//! offsets that `ocellus_ebpf::abi` says. Reads BTF, the object's own description of its types.

use std::collections::HashMap;

use ocellus_ebpf::abi::{Config, File, Head, Member, Record, Span, Task, TaskStart};

/// Kinds of BTF types (linux/btf.h) that the structures are made of.
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;

fn u16_at(bytes: &[u8], offset: usize) -> usize {
    u16::from_ne_bytes(bytes[offset..offset + 2].try_into().expect("two bytes")).into()
}

fn u32_at(bytes: &[u8], offset: usize) -> usize {
    u32::from_ne_bytes(bytes[offset..offset + 4].try_into().expect("four bytes")) as usize
}

fn u64_at(bytes: &[u8], offset: usize) -> usize {
    u64::from_ne_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes")) as usize
}

fn text_at(bytes: &[u8], offset: usize) -> String {
    let text = bytes[offset..].split(|byte| *byte == 0).next().expect("a string");
    String::from_utf8_lossy(text).into_owned()
}

/// A section of an ELF object of 64 bits.
fn section<'a>(elf: &'a [u8], name: &str) -> &'a [u8] {
    let (table, size, count) = (u64_at(elf, 0x28), u16_at(elf, 0x3a), u16_at(elf, 0x3c));
    let header = |index: usize| &elf[table + index * size..][..size];
    let bytes = |header: &[u8]| &elf[u64_at(header, 0x18)..][..u64_at(header, 0x20)];
    let names = bytes(header(u16_at(elf, 0x3e)));
    (0..count)
        .map(header)
        .find(|header| text_at(names, u32_at(header, 0)) == name)
        .map(bytes)
        .unwrap_or_else(|| panic!("the object has no section {name}"))
}

struct Type<'a> {
    name: String,
    kind: u32,
    /// Size in bytes, or the type referred to.
    size: usize,
    /// What follows the fixed part.
    rest: &'a [u8],
}

/// Name, offset and size in bytes.
type MemberLayout = (String, usize, usize);

/// Every type by its number, which begins at 1.
struct Btf<'a> {
    types: Vec<Type<'a>>,
    strings: &'a [u8],
}

impl<'a> Btf<'a> {
    fn parse(bytes: &'a [u8]) -> Btf<'a> {
        assert_eq!(u16_at(bytes, 0), 0xeb9f, "magic number of BTF");
        let body = &bytes[u32_at(bytes, 4)..];
        let strings = &body[u32_at(bytes, 16)..][..u32_at(bytes, 20)];
        let mut left = &body[u32_at(bytes, 8)..][..u32_at(bytes, 12)];
        let mut types = Vec::new();
        while !left.is_empty() {
            let info = u32_at(left, 4);
            let (kind, count) = ((info >> 24 & 0x1f) as u32, info & 0xffff);
            // int, var, declaration tag; array; struct, union, data section, enum64; enum, function.
            let extra = match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * count,
                6 | 13 => 8 * count,
                _ => 0,
            };
            types.push(Type {
                name: text_at(strings, u32_at(left, 0)),
                kind,
                size: u32_at(left, 8),
                rest: &left[12..12 + extra],
            });
            left = &left[12 + extra..];
        }
        Btf { types, strings }
    }

    fn size_of(&self, id: usize) -> usize {
        let found = &self.types[id - 1];
        match found.kind {
            KIND_INT | KIND_STRUCT | KIND_UNION | KIND_ENUM => found.size,
            KIND_PTR => 8,
            KIND_ARRAY => u32_at(found.rest, 8) * self.size_of(u32_at(found.rest, 0)),
            // Typedefs and qualifiers.
            _ => self.size_of(found.size),
        }
    }

    /// Size and members of every structure.
    fn structures(&self) -> HashMap<String, (usize, Vec<MemberLayout>)> {
        let members = |found: &Type<'_>| {
            let parts = found.rest.chunks_exact(12);
            let member = |part: &[u8]| {
                let name = text_at(self.strings, u32_at(part, 0));
                (name, u32_at(part, 8) / 8, self.size_of(u32_at(part, 4)))
            };
            parts.map(member).collect()
        };
        let structs = self.types.iter().filter(|found| found.kind == KIND_STRUCT);
        // Structures without members are named but not described.
        let described = structs.filter(|found| !found.rest.is_empty());
        described.map(|found| (found.name.clone(), (found.size, members(found)))).collect()
    }
}

#[test]
fn compiled_structures_are_as_mirrored() {
    let btf = Btf::parse(section(ocellus_ebpf::object(), ".BTF"));
    let compiled = btf.structures();
    let mirrors: [(&str, usize, &[Member]); 7] = [
        (Head::C_NAME, Head::SIZE_BYTES, Head::MEMBERS),
        (Task::C_NAME, Task::SIZE_BYTES, Task::MEMBERS),
        (File::C_NAME, File::SIZE_BYTES, File::MEMBERS),
        (Span::C_NAME, Span::SIZE_BYTES, Span::MEMBERS),
        (Record::C_NAME, Record::SIZE_BYTES, Record::MEMBERS),
        (TaskStart::C_NAME, TaskStart::SIZE_BYTES, TaskStart::MEMBERS),
        (Config::C_NAME, Config::SIZE_BYTES, Config::MEMBERS),
    ];
    for (name, size_bytes, members) in mirrors {
        let (compiled_size, compiled_members) =
            compiled.get(name).unwrap_or_else(|| panic!("the object has no struct {name}"));
        assert_eq!(*compiled_size, size_bytes, "{name}");
        let mirrored: Vec<MemberLayout> = members
            .iter()
            .map(|member| (member.name.to_owned(), member.offset_bytes, member.size_bytes))
            .collect();
        assert_eq!(*compiled_members, mirrored, "{name}");
    }
}

#[test]
fn object_names_no_place_of_the_building_machine() {
    let object = ocellus_ebpf::object();
    let here = env!("CARGO_MANIFEST_DIR").as_bytes();
    assert!(!object.windows(here.len()).any(|window| window == here));
}
