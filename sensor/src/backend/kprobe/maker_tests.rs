use ocellus_ebpf::abi::Parsed;

use super::super::made::Made;
use super::*;

/// Nothing in this process is of that number: no witness tells anything.
const NOBODY: u32 = 1 << 30;

const HIT: Hit = Hit { time_ns: 1_234, cpu: 3, pid: NOBODY };

fn maker() -> Maker {
    Maker::new(&CaptureSettings::default())
}

fn sample(pid: u32, tid: u32) -> Made {
    Made::default()
        .short(FieldId::CommonPid, tid)
        .short(FieldId::Pid, pid)
        .short(FieldId::Tid, tid)
        .short(FieldId::Flags, 0)
        .long(FieldId::Start, 777)
}

fn with_args(sample: Made, args: &[u8]) -> Made {
    sample
        .long(FieldId::Mm, 1)
        .long(FieldId::ArgStart, 1_000)
        .long(FieldId::ArgEnd, 1_000 + args.len() as u64)
        .with(FieldId::Args, &args[..args.len().min(16)])
}

fn with_name(sample: Made, argc: u32, filename: &[u8; 16]) -> Made {
    sample.short(FieldId::Argc, argc).short(FieldId::Envc, 5).with(FieldId::Filename, filename)
}

fn parse(bytes: &[u8]) -> Parsed<'_> {
    Record::parse(bytes).expect("what is made is a record")
}

fn make(maker: &mut Maker, tells: Tells, sample: &Made) -> Option<Vec<u8>> {
    sample.read(|fields| maker.make(tells, &HIT, fields))
}

#[test]
fn threads_and_kernel_threads_make_no_records() {
    let maker = &mut maker();
    let fork = make(maker, Tells::Fork, &sample(NOBODY, NOBODY)).expect("a process makes one");
    let parsed = parse(&fork);
    assert_eq!((parsed.kind, parsed.record.head.time_ns), (Kind::Fork, 1_234));
    assert_eq!((parsed.record.head.cpu, parsed.record.task.start_ns), (3, 777));
    assert_eq!(make(maker, Tells::Fork, &sample(NOBODY, NOBODY + 1)), None);
    let kernel_thread = || Made::default().short(FieldId::Flags, 0x0020_0000);
    assert_eq!(make(maker, Tells::Fork, &kernel_thread()), None);
    assert_eq!(make(maker, Tells::Exit, &kernel_thread().short(FieldId::Live, 0)), None);
    assert_eq!(make(maker, Tells::Exit, &sample(NOBODY, NOBODY).short(FieldId::Live, 2)), None);
    let last = sample(NOBODY, NOBODY).with(FieldId::Dead, &[1]).short(FieldId::LeaderExitCode, 512);
    let exit = make(maker, Tells::Exit, &last).expect("the last thread makes one");
    assert_eq!(parse(&exit).record.exit_status, 512);
}

#[test]
fn one_probe_or_two_tell_of_an_exec() {
    let maker = &mut maker();
    let args = b"ls\0-l\0";
    let tracepoint = with_name(with_args(sample(NOBODY, NOBODY), args), 2, b"/bin/ls\0aaaaaaaa");
    let alone = make(maker, Tells::Exec, &tracepoint.short(FieldId::OldTid, NOBODY)).expect("one");

    let name = Made::default().short(FieldId::CommonPid, NOBODY);
    let name = with_name(name, 2, b"/bin/ls\0aaaaaaaa");
    assert_eq!(make(maker, Tells::ExecName, &name), None);
    let function = with_args(sample(NOBODY, NOBODY), args);
    let joined = make(maker, Tells::Exec, &function).expect("one");
    assert_eq!(alone, joined);
    let parsed = parse(&joined);
    assert_eq!(parsed.span(SpanId::Filename), b"/bin/ls");
    assert_eq!(parsed.span(SpanId::Args), args);
    assert_eq!((parsed.record.argc, parsed.record.envc), (2, 5));
    assert_eq!(parsed.record.head.flags & abi::F_THREAD_EXEC, 0);

    // The name went with its exec: the next one has none.
    let nameless = make(maker, Tells::Exec, &function).expect("one");
    let parsed = parse(&nameless);
    assert_eq!(parsed.span(SpanId::Filename), b"");
    assert_eq!((parsed.span(SpanId::Args), parsed.record.argc), (&args[..], 2));
}

#[test]
fn the_thread_that_executed_is_told() {
    let maker = &mut maker();
    let name = Made::default().short(FieldId::CommonPid, 4_242);
    make(maker, Tells::ExecName, &with_name(name, 1, b"a\0bcdefghijklmno"));
    let exec = make(maker, Tells::Exec, &sample(NOBODY, NOBODY)).expect("one");
    let record = parse(&exec).record;
    assert_eq!((record.task.pid, record.task.tid), (NOBODY, 4_242));
    assert_ne!(record.head.flags & abi::F_THREAD_EXEC, 0);
}

#[test]
fn names_that_nobody_fetches_do_not_pile_up() {
    let maker = &mut maker();
    let name = with_name(Made::default(), 1, b"a\0bcdefghijklmno");
    for pid in 0..2 * NAMES_MAX as u32 {
        name.read(|fields| maker.make(Tells::ExecName, &Hit { pid, ..HIT }, fields));
        assert!(maker.names.len() <= NAMES_MAX);
    }
}

#[test]
fn arguments_that_nobody_has_any_more_are_cut() {
    let maker = &mut maker();
    let args = b"ls\0-l\0/a/long/path/that/goes/on\0";
    let exec = with_name(with_args(sample(NOBODY, NOBODY), args), 3, b"ls\0-------------");
    let made = make(maker, Tells::Exec, &exec).expect("one");
    let parsed = parse(&made);
    assert_eq!(parsed.span(SpanId::Args), &args[..16]);
    assert_eq!(parsed.record.span[SpanId::Args as usize].full as usize, args.len());
    assert_eq!(parsed.record.argc, 3);
    let flags = parsed.record.head.flags;
    assert_eq!(flags & (abi::F_ARGS_FAULT | abi::f_inferred(SpanId::Args)), 0);

    // What could not be read is not told, and the record says so.
    let wrong = with_name(with_args(sample(NOBODY, NOBODY), b"ls\0-l"), 2, b"ls\0-------------");
    let made = make(maker, Tells::Exec, &wrong).expect("one");
    let parsed = parse(&made);
    assert_eq!((parsed.span(SpanId::Args), parsed.record.argc), (&b""[..], 2));
    assert_ne!(parsed.record.head.flags & abi::F_ARGS_FAULT, 0);
}

#[test]
fn what_is_not_known_is_empty_and_marked() {
    let maker = &mut maker();
    let exec = make(maker, Tells::Exec, &sample(NOBODY, NOBODY)).expect("one");
    let parsed = parse(&exec);
    for id in [SpanId::Exe, SpanId::Cwd, SpanId::Cgroup] {
        assert_eq!(parsed.span(id), b"");
        assert_ne!(parsed.record.head.flags & abi::f_inferred(id), 0);
    }
    assert_eq!(parsed.record.head.flags & abi::f_inferred(SpanId::Env), 0);
    let mut with_env = Maker::new(&CaptureSettings { env_max: 100, ..CaptureSettings::default() });
    let name = with_name(sample(NOBODY, NOBODY), 1, b"a\0bcdefghijklmno");
    let exec = make(&mut with_env, Tells::Exec, &name).expect("one");
    let flags = parse(&exec).record.head.flags;
    assert_ne!(flags & abi::f_inferred(SpanId::Env), 0);
    assert_ne!(flags & abi::F_ENV_FAULT, 0);
}

#[test]
fn a_name_as_long_as_the_window_is_cut() {
    let maker = &mut maker();
    let long = [b'x'; FILENAME_WINDOW_BYTES];
    let exec = sample(NOBODY, NOBODY).with(FieldId::Filename, &long);
    let made = make(maker, Tells::Exec, &exec).expect("one");
    let parsed = parse(&made);
    assert_eq!(parsed.span(SpanId::Filename), long);
    assert!(parsed.truncated(SpanId::Filename));
}
