use super::super::made::Made;
use super::*;

fn upid(number: u32, namespace: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_ne_bytes());
    bytes[8..].copy_from_slice(&namespace.to_ne_bytes());
    bytes
}

#[test]
fn what_lies_behind_null_is_not_believed() {
    let made = |tty, nsproxy| {
        Made::default()
            .long(FieldId::Tty, tty)
            .with(FieldId::TtyNumbers, &[136u32, 2].map(u32::to_ne_bytes).concat())
            .short(FieldId::TtyIndex, 5)
            .long(FieldId::Nsproxy, nsproxy)
            .short(FieldId::NsMnt, 40)
    };
    let with = made(0xffff_8880, 0xffff_8881).read(task);
    assert_eq!((with.tty_major, with.tty_minor, with.ns_mnt), (136, 7, 40));
    let without = made(0, 0).read(task);
    assert_eq!((without.tty_major, without.tty_minor, without.ns_mnt), (0, 0, 0));
}

#[test]
fn credentials_in_the_order_of_the_kernel() {
    let ids: Vec<u8> = (1u32..=8).flat_map(u32::to_ne_bytes).collect();
    let sets: Vec<u8> = (11u64..=15).flat_map(u64::to_ne_bytes).collect();
    let task = Made::default()
        .with(FieldId::Ids, &ids)
        .with(FieldId::Caps, &sets)
        .with(FieldId::Comm, b"a name\0rubbish!!")
        .read(task);
    assert_eq!([task.uid, task.gid, task.suid, task.sgid], [1, 2, 3, 4]);
    assert_eq!([task.euid, task.egid, task.fsuid, task.fsgid], [5, 6, 7, 8]);
    assert_eq!([task.cap_inheritable, task.cap_permitted, task.cap_effective], [11, 12, 13]);
    assert_eq!([task.cap_bounding, task.cap_ambient], [14, 15]);
    assert_eq!(&task.comm, b"a name\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn the_number_in_the_innermost_namespace() {
    let numbers = [upid(400, 1), upid(30, 2), upid(2, 3)].concat();
    let made = |level, childrens| {
        Made::default()
            .short(FieldId::PidLevel, level)
            .with(FieldId::PidNumbers, &numbers)
            .long(FieldId::Nsproxy, 9)
            .long(FieldId::NsPidAddress, childrens)
            .short(FieldId::NsPid, 77)
            .read(task)
    };
    assert_eq!((made(0, 1).vpid, made(0, 1).ns_pid), (400, 77));
    assert_eq!((made(2, 3).vpid, made(2, 3).ns_pid), (2, 77));
    // Children are put into another one: which one its own is nobody says.
    assert_eq!((made(1, 3).vpid, made(1, 3).ns_pid), (30, 0));
    // Deeper than the probe reads.
    assert_eq!((made(3, 1).vpid, made(u32::MAX, 1).vpid), (0, 0));
}

#[test]
fn how_a_process_ended() {
    let made = |flags| {
        Made::default()
            .short(FieldId::SignalFlags, flags)
            .short(FieldId::GroupExitCode, 9)
            .short(FieldId::LeaderExitCode, 3 << 8)
            .read(exit_status)
    };
    assert_eq!((made(0), made(SIGNAL_GROUP_EXIT), made(0x44)), (3 << 8, 9, 9));
    assert!(Made::default().with(FieldId::Dead, &[1]).read(is_group_dead));
    assert!(!Made::default().with(FieldId::Dead, &[0]).read(is_group_dead));
    assert!(Made::default().short(FieldId::Live, 0).read(is_group_dead));
    assert!(!Made::default().short(FieldId::Live, 2).read(is_group_dead));
    assert!(Made::default().short(FieldId::Flags, 0x60_0000).read(is_kernel_thread));
    assert!(!Made::default().short(FieldId::Flags, 0x40_0000).read(is_kernel_thread));
}

fn arguments(window: &[u8], full_bytes: u64) -> Made {
    Made::default()
        .long(FieldId::Mm, 1)
        .long(FieldId::ArgStart, 1000)
        .long(FieldId::ArgEnd, 1000 + full_bytes)
        .with(FieldId::Args, window)
}

#[test]
fn arguments_that_are_whole_or_cut() {
    let window = b"ls\0-l\0PATH=/bin\0";
    let args = |full_bytes, argc| {
        arguments(window, full_bytes).read(|fields| {
            let args = args(fields, argc);
            (args.bytes.to_vec(), args.full_bytes)
        })
    };
    assert_eq!(args(6, Some(2)), (b"ls\0-l\0".to_vec(), 6));
    assert_eq!(args(6, None), (b"ls\0-l\0".to_vec(), 6));
    assert_eq!(args(16, Some(3)), (window.to_vec(), 16));
    assert_eq!(args(90, Some(9)), (window.to_vec(), 90));
    assert_eq!(args(0, Some(0)), (Vec::new(), 0));
    // They do not end where they should, or are not as many: that page was not there.
    assert_eq!(args(5, Some(2)), (Vec::new(), 5));
    assert_eq!(args(5, None), (Vec::new(), 5));
    assert_eq!(args(6, Some(3)), (Vec::new(), 6));
    assert_eq!(args(90, Some(3)), (Vec::new(), 90));
}

#[test]
fn arguments_of_impossible_length() {
    let made = arguments(b"ls\0", u64::from(u32::MAX) + 7);
    assert_eq!(made.read(|fields| args(fields, Some(2)).full_bytes), u32::MAX);
    let reversed = Made::default()
        .long(FieldId::Mm, 1)
        .long(FieldId::ArgStart, 2000)
        .long(FieldId::ArgEnd, 1000);
    assert_eq!(reversed.read(|fields| args(fields, None).full_bytes), 0);
}

#[test]
fn the_executable_and_what_is_odd_about_it() {
    let made = |magic, flags, links, hashed, upper| {
        Made::default()
            .long(FieldId::Mm, 1)
            .long(FieldId::ExeFile, 1)
            .long(FieldId::ExeInode, 42)
            .long(FieldId::ExeMtimeSec, 5)
            .short(FieldId::ExeMtimeNsec, 6)
            .long(FieldId::ExeCtimeSec, 7)
            .short(FieldId::ExeCtimeNsec, 0x8000_0008)
            .short(FieldId::ExeDevice, 8 << 20 | 3)
            .with(FieldId::ExeMode, &0o100_755u16.to_ne_bytes())
            .long(FieldId::ExeMagic, magic)
            .long(FieldId::ExeSuperFlags, flags)
            .short(FieldId::ExeLinks, links)
            .long(FieldId::ExeHashed, hashed)
            .long(FieldId::ExeUpper, upper)
            .read(|fields| image(fields, &Task::default()).expect("there is one").file)
    };
    let plain = made(0xef53, 0, 1, 1, 1);
    assert_eq!((plain.inode, plain.dev_major, plain.dev_minor), (42, 8, 3));
    assert_eq!((plain.mtime_ns, plain.ctime_ns), (5_000_000_006, 7_000_000_008));
    assert_eq!((plain.mode, plain.flags), (0o100_755, 0));
    assert_eq!(made(0xef53, 0, 0, 1, 0).flags, abi::FILE_DELETED);
    assert_eq!(made(0xef53, 0, 1, 0, 0).flags, abi::FILE_DELETED);
    assert_eq!(made(MEMORY_MAGICS[0], SB_KERNMOUNT, 1, 1, 0).flags, abi::FILE_MEMFD);
    assert_eq!(made(MEMORY_MAGICS[0], 0, 1, 1, 0).flags, 0);
    assert_eq!(made(OVERLAYFS_MAGIC, 0, 1, 1, 0).flags, abi::FILE_OVERLAY);
    let upper = abi::FILE_OVERLAY | abi::FILE_UPPER;
    assert_eq!(made(OVERLAYFS_MAGIC, 0, 1, 1, 9).flags, upper);
}

#[test]
fn a_task_without_memory_or_files_has_neither() {
    let made = Made::default()
        .long(FieldId::Mm, 0)
        .long(FieldId::ExeInode, 42)
        .long(FieldId::Fs, 0)
        .long(FieldId::CwdInode, 42)
        .long(FieldId::ArgEnd, 7);
    made.read(|fields| {
        assert_eq!(image(fields, &Task::default()), None);
        assert_eq!(directory(fields, &Task::default()), None);
        assert_eq!(args(fields, None), Args::default());
    });
}

#[test]
fn names_end_at_nul_or_at_the_window() {
    let made = |bytes: &[u8]| {
        Made::default().with(FieldId::Filename, bytes).read(|fields| filename(fields).to_vec())
    };
    assert_eq!(made(b"/bin/ls\0\xff\xff"), b"/bin/ls");
    assert_eq!(made(b"/bin/ls-l"), b"/bin/ls-l");
    assert_eq!(made(b"\0"), b"");
}
