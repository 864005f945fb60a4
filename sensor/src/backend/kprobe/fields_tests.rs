use ocellus_ebpf::btf::Btf;

use super::super::tracefs::DEFINITION_BYTES_MAX;
use super::*;
use crate::doctor::BTF_PATH;

/// Limits of the kernel (kernel/trace/trace_probe.h): arguments, bytes of one without its name,
/// pointers followed in one since 7.3, and bytes of a sample before 5.16.
const ARGUMENTS_MAX: usize = 128;
const ARGUMENT_BYTES_MAX: usize = 63;
const POINTERS_MAX: usize = 8;
const SAMPLE_BYTES_MAX: usize = 2048;

const EVERYTHING: Arguments = Arguments {
    task: Some("$arg1"),
    bprm: Some("$arg3"),
    dead: Some("$arg2"),
    old_tid: Some("$arg2"),
};

fn with_kernel(check: impl FnOnce(&Members<'_>)) {
    let bytes = std::fs::read(BTF_PATH).expect("the test needs the BTF of the running kernel");
    check(&Members::new(Btf::parse(&bytes).expect("the kernel has good BTF")));
}

fn all() -> impl Iterator<Item = &'static Wanted> {
    [TASK, PLACES, FORK, EXEC, NAME, EXIT, LIVE].into_iter().flatten()
}

/// Bytes of what an argument such as `+8($arg1):u64[4]` adds to a sample.
fn sample_bytes(argument: &str) -> usize {
    let (_, kind) = argument.rsplit_once(":u").expect("each has its type");
    match kind.split_once('[') {
        Some((bits, count)) => {
            let count = count.trim_end_matches(']').parse::<usize>().expect("a count");
            bits.parse::<usize>().expect("a width") / 8 * count
        }
        None => kind.parse::<usize>().expect("a width") / 8,
    }
}

#[test]
fn every_field_is_found_within_the_limits_of_the_kernel() {
    with_kernel(|members| {
        for (probe, wanted) in [
            ("fork", [TASK, PLACES, FORK].concat()),
            ("exec", [TASK, PLACES, EXEC, NAME].concat()),
            ("exit", [TASK, EXIT, LIVE].concat()),
        ] {
            let fetches = fetches(members, &EVERYTHING, &wanted).expect("nothing essential lacks");
            assert!(fetches.missing.is_empty(), "{probe}: {:?}", fetches.missing);
            // The longest first part: `t:ocellus/exec_4194304_99 sched_process_exec `.
            assert!(fetches.text.len() + 64 < DEFINITION_BYTES_MAX, "{probe}");
            let arguments: Vec<&str> = fetches.text.split(' ').collect();
            assert!(arguments.len() <= ARGUMENTS_MAX);
            let mut bytes = 64;
            for argument in arguments {
                let (_, body) = argument.split_once('=').expect("each has a name");
                assert!(body.len() <= ARGUMENT_BYTES_MAX, "{argument}");
                assert!(body.matches('(').count() <= POINTERS_MAX, "{argument}");
                bytes += sample_bytes(body);
            }
            assert!(bytes <= SAMPLE_BYTES_MAX, "{probe}: {bytes}");
        }
    });
}

#[test]
fn names_are_what_the_kernel_takes() {
    for (index, name) in NAMES.iter().enumerate() {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        assert!(!name.starts_with(|first: char| first.is_ascii_digit()), "{name}");
        assert!(!NAMES[..index].contains(name), "{name} is there twice");
    }
    assert_eq!(all().count() + 3, FIELDS);
}

#[test]
fn definitions_are_as_the_structures_say() {
    with_kernel(|members| {
        let offset = |structure, path| members.route(structure, path).expect("there").offsets[0];
        let text = |id: FieldId| {
            let field = all().find(|field| field.id == id).expect("it is wanted");
            fetch(members, &EVERYTHING, field).expect("it is found").expect("it has a base")
        };
        let (mm, start) = (offset("task_struct", "mm"), offset("mm_struct", "arg_start"));
        let words = ARGS_WINDOW_BYTES / 8;
        assert_eq!(text(FieldId::Args), format!("+0(+{start}(+{mm}($arg1))):u64[{words}]"));
        let filename = offset("linux_binprm", "filename");
        let words = FILENAME_WINDOW_BYTES / 8;
        assert_eq!(text(FieldId::Filename), format!("+0(+{filename}($arg3)):u64[{words}]"));
        let pid = offset("task_struct", "tgid");
        assert_eq!(text(FieldId::Pid), format!("+{pid}($arg1):u32"));
        let (exe, inode) = (offset("mm_struct", "exe_file"), offset("file", "f_inode"));
        let size = members.size_bytes("inode").expect("it is there");
        assert_eq!(text(FieldId::ExeUpper), format!("+{size}(+{inode}(+{exe}(+{mm}($arg1)))):u64"));
    });
}

#[test]
fn what_a_probe_has_not_got_is_left_out() {
    with_kernel(|members| {
        let arguments = Arguments { bprm: None, dead: None, old_tid: None, ..EVERYTHING };
        let fetches = fetches(members, &arguments, NAME).expect("none of it is essential");
        assert!(fetches.text.is_empty() && fetches.missing.is_empty());
    });
}

#[test]
fn what_btf_has_not_got_is_named() {
    let bytes = ocellus_ebpf::btf::elf_section(ocellus_ebpf::object(), ".BTF").expect("it has BTF");
    let members = Members::new(Btf::parse(bytes).expect("clang writes BTF"));
    // The probes' own declarations have what the probes read, and nothing else.
    let found = fetches(&members, &EVERYTHING, FORK).expect("it is not essential");
    assert_eq!(found.missing[0].to_string(), "no member exit_signal in exit_signal");
    let lost = Wanted { path: "nonsense", ..TASK[0] };
    let error = fetches(&members, &EVERYTHING, [&lost]).expect_err("it is essential");
    assert_eq!(error.to_string(), "no member nonsense in nonsense");
}

#[test]
fn fields_of_a_sample() {
    let format = vec![
        ("pid".to_owned(), 16, 4),
        ("mode".to_owned(), 20, 2),
        ("caps".to_owned(), 22, 16),
        ("unknown".to_owned(), 38, 8),
    ];
    let layout = Layout::new(&format);
    let mut raw = vec![0; 16];
    raw.extend_from_slice(&77u32.to_ne_bytes());
    raw.extend_from_slice(&0o755u16.to_ne_bytes());
    raw.extend_from_slice(&5u64.to_ne_bytes());
    raw.extend_from_slice(&6u64.to_ne_bytes());
    let fields = Fields::new(&layout, &raw).expect("it is long enough");
    assert_eq!((fields.number(FieldId::Pid), fields.short(FieldId::ExeMode)), (77, 0o755));
    assert_eq!(fields.array(FieldId::Caps, 8).take(3).collect::<Vec<_>>(), [5, 6, 0]);
    assert_eq!(fields.number(FieldId::Tid), 0);
    assert!(fields.has(FieldId::Pid) && !fields.has(FieldId::Tid));
    assert!(Fields::new(&layout, &raw[..37]).is_none());
}
