//! The mirror against the object: the structures that clang compiled have the sizes, names and
//! offsets that `ocellus_ebpf::abi` says.

use ocellus_ebpf::abi::{Config, File, Head, Member, Record, Span, Task, TaskStart};
use ocellus_ebpf::btf::{Btf, elf_section};

#[test]
fn compiled_structures_are_as_mirrored() {
    let section = elf_section(ocellus_ebpf::object(), ".BTF").expect("the object has BTF");
    let compiled = Btf::parse(section).expect("clang writes BTF");
    let mirrors: [(&str, usize, &[Member]); 7] = [
        (Head::C_NAME, Head::SIZE_BYTES, Head::MEMBERS),
        (Task::C_NAME, Task::SIZE_BYTES, Task::MEMBERS),
        (File::C_NAME, File::SIZE_BYTES, File::MEMBERS),
        (Span::C_NAME, Span::SIZE_BYTES, Span::MEMBERS),
        (Record::C_NAME, Record::SIZE_BYTES, Record::MEMBERS),
        (TaskStart::C_NAME, TaskStart::SIZE_BYTES, TaskStart::MEMBERS),
        (Config::C_NAME, Config::SIZE_BYTES, Config::MEMBERS),
    ];
    for (name, size_bytes, mirrored) in mirrors {
        let (compiled_size, members) =
            compiled.structure(name).unwrap_or_else(|| panic!("the object has no struct {name}"));
        assert_eq!(compiled_size, size_bytes, "{name}");
        let compiled: Vec<Member> = members
            .iter()
            .map(|member| Member {
                name: mirrored.iter().map(|m| m.name).find(|n| *n == member.name).unwrap_or("?"),
                offset_bytes: member.offset_bytes,
                size_bytes: member.size_bytes,
            })
            .collect();
        assert_eq!(compiled, mirrored, "{name}");
    }
}

#[test]
fn object_names_no_place_of_the_building_machine() {
    let object = ocellus_ebpf::object();
    let here = env!("CARGO_MANIFEST_DIR").as_bytes();
    assert!(!object.windows(here.len()).any(|window| window == here));
}
