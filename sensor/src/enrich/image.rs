//! What a process runs: the fields of its executable, arguments, environment and hash.

use std::sync::Arc;

use ocellus_ebpf::abi;

use super::Remarks;
use crate::event::{Event, Field, Value};
use crate::input::HashStatus;
use crate::process::Process;
use crate::raw::Image;

/// Mode bits of set-uid and set-gid (inode(7)). Where the group may not execute the file, the
/// latter means something else.
const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o0010;

/// Status of a hash for which the event did not wait, as so many wait already: the next event of
/// the process has it.
const HASH_PENDING: &str = "pending";

/// Status of a hash that nobody can ask for, since no backend saw which file the executable is.
const HASH_UNKNOWN: &str = "unknown";

/// Sets path and arguments of the image.
pub(super) fn image_fields(event: &mut Event, remarks: &mut Remarks, image: &Image) {
    if let Some(exe) = &image.exe {
        remarks.set(event, Field::PROCESS_EXECUTABLE, exe, Value::Text);
    }
    if let Some(args) = &image.args {
        remarks.set(event, Field::PROCESS_ARGS, args, Value::Texts);
        event.set_number(Field::PROCESS_ARGS_COUNT, image.args_count());
        event.set_number(Field::OCELLUS_ARGS_BYTES, image.args_bytes);
    }
}

/// Sets what an exec says beside the image: the file, the environment, what ran before.
pub(super) fn exec_fields(
    event: &mut Event,
    remarks: &mut Remarks,
    process: &Process,
    image: &Image,
) {
    if let Some(filename) = &image.filename {
        remarks.set(event, Field::OCELLUS_FILENAME, filename, Value::Text);
    }
    if let Some(env) = &image.env {
        remarks.set(event, Field::PROCESS_ENV_VARS, env, Value::Texts);
    }
    if let Some(previous) = &process.previous {
        if let Some(exe) = &previous.exe {
            event.set_text(Field::PROCESS_PREVIOUS_EXECUTABLE, exe.value.clone());
        }
        if let Some(args) = &previous.args {
            event.set(Field::PROCESS_PREVIOUS_ARGS, Value::Texts(args.value.clone()));
            event.set_number(Field::PROCESS_PREVIOUS_ARGS_COUNT, previous.argc);
        }
    }
    let Some(file) = &image.file else { return };
    event.set_number(Field::OCELLUS_EXE_INODE, file.inode);
    event.set_text(Field::OCELLUS_EXE_DEVICE, format!("{}:{}", file.dev_major, file.dev_minor));
    event.set_number(Field::OCELLUS_EXE_SIZE, file.size);
    event.set_text(Field::OCELLUS_EXE_MODE, format!("{:04o}", file.mode & 0o7777));
    event.set_text(Field::OCELLUS_EXE_UID, file.uid.to_string());
    event.set_text(Field::OCELLUS_EXE_GID, file.gid.to_string());
    event.set_number(Field::OCELLUS_EXE_NLINK, file.nlink);
    event.set(Field::OCELLUS_EXE_MTIME, Value::Time(file.mtime_ns));
    event.set(Field::OCELLUS_EXE_CTIME, Value::Time(file.ctime_ns));
    for (is, field) in [
        (file.flags & abi::FILE_MEMFD != 0, Field::OCELLUS_EXE_MEMFD),
        (file.flags & abi::FILE_DELETED != 0, Field::OCELLUS_EXE_DELETED),
        (file.mode & S_ISUID != 0, Field::OCELLUS_EXE_SETUID),
        (file.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP, Field::OCELLUS_EXE_SETGID),
    ] {
        if is {
            event.set_flag(field, true);
        }
    }
    if file.flags & abi::FILE_UPPER != 0 {
        event.set_static(Field::OCELLUS_EXE_OVERLAY, "upper");
    } else if file.flags & abi::FILE_OVERLAY != 0 {
        event.set_static(Field::OCELLUS_EXE_OVERLAY, "lower");
    }
}

/// Sets the hash and its status; what went wrong, if anything.
pub(super) fn hash_fields(event: &mut Event, process: &Process, hashing: bool) -> Option<Arc<str>> {
    if !hashing {
        event.set_static(Field::OCELLUS_HASH_STATUS, HashStatus::Off.as_str());
        return None;
    }
    let Some(hash) = &process.hash else {
        if let Some(image) = &process.image {
            let status = if image.file.is_some() { HASH_PENDING } else { HASH_UNKNOWN };
            event.set_static(Field::OCELLUS_HASH_STATUS, status);
        }
        return None;
    };
    event.set_static(Field::OCELLUS_HASH_STATUS, hash.status.as_str());
    for (digest, field) in [
        (&hash.digests.md5, Field::PROCESS_HASH_MD5),
        (&hash.digests.sha1, Field::PROCESS_HASH_SHA1),
        (&hash.digests.sha256, Field::PROCESS_HASH_SHA256),
        (&hash.digests.sha384, Field::PROCESS_HASH_SHA384),
        (&hash.digests.sha512, Field::PROCESS_HASH_SHA512),
    ] {
        if let Some(digest) = digest {
            event.set_text(field, digest.as_str());
        }
    }
    match hash.status {
        HashStatus::Ok | HashStatus::Off => None,
        status => Some(hash.detail.as_deref().unwrap_or(status.as_str()).into()),
    }
}
