//! The fields of events.
//! Made from wit/fields.toml by `make schema`; docs/schema.md says what they mean.

/// @timestamp: Kernel time of the event; for a merged event, of its first raw event.
pub const timestamp = Time{ .index = 0 };
/// agent.type: `ocellus`.
pub const agent_type = Text{ .index = 1 };
/// agent.version: Version of the sensor.
pub const agent_version = Text{ .index = 2 };
/// container.id: Container id, from the cgroup path.
pub const container_id = Text{ .index = 3 };
/// container.image.hash.all: Its digest, `sha256:…`.
pub const container_image_hash_all = Texts{ .index = 4 };
/// container.image.name: Image of the container without tag and digest, for example `docker.io/library/nginx`.
pub const container_image_name = Text{ .index = 5 };
/// container.image.tag: Its tag.
pub const container_image_tag = Texts{ .index = 6 };
/// container.name: Name of the container, from its runtime's files; under Kubernetes, that in the pod.
pub const container_name = Text{ .index = 7 };
/// container.runtime: Container runtime, from the cgroup path.
pub const container_runtime = Text{ .index = 8 };
/// ecs.version: Version of ECS that the field names follow.
pub const ecs_version = Text{ .index = 9 };
/// error.message: What went wrong, for example why the executable has no hash.
pub const error_message = Text{ .index = 10 };
/// event.action: What happened; the vocabulary is chosen by `ecs.actions`.
pub const event_action = Text{ .index = 11 };
/// event.category: ECS category.
pub const event_category = Texts{ .index = 12 };
/// event.dataset: `process` or `sensor`.
pub const event_dataset = Text{ .index = 13 };
/// event.id: Identifies the event; the same each time that it is delivered.
pub const event_id = Text{ .index = 14 };
/// event.kind: `event`; `alert` once a rule alerts.
pub const event_kind = Text{ .index = 15 };
/// event.module: `system`, as auditbeat has it.
pub const event_module = Text{ .index = 16 };
/// event.sequence: Counts the events of one run of the sensor; a gap is an event that a rule dropped or a sink lost.
pub const event_sequence = Number{ .index = 17 };
/// event.severity: Highest severity of the alerts, 0 to 100.
pub const event_severity = Number{ .index = 18 };
/// event.type: ECS types, in the order info, start, change, end.
pub const event_type = Texts{ .index = 19 };
/// host.architecture: Machine type as uname(2) gives it.
pub const host_architecture = Text{ .index = 20 };
/// host.boot.id: Identifies this boot of the kernel.
pub const host_boot_id = Text{ .index = 21 };
/// host.hostname: Host name as uname(2) gives it.
pub const host_hostname = Text{ .index = 22 };
/// host.id: Machine id.
pub const host_id = Text{ .index = 23 };
/// host.name: Host name, or what the configuration says.
pub const host_name = Text{ .index = 24 };
/// host.os.family: Distribution family, from os-release.
pub const host_os_family = Text{ .index = 25 };
/// host.os.full: Distribution with version, from os-release.
pub const host_os_full = Text{ .index = 26 };
/// host.os.kernel: Kernel release.
pub const host_os_kernel = Text{ .index = 27 };
/// host.os.name: Distribution, from os-release.
pub const host_os_name = Text{ .index = 28 };
/// host.os.platform: Distribution id, from os-release.
pub const host_os_platform = Text{ .index = 29 };
/// host.os.type: `linux`.
pub const host_os_type = Text{ .index = 30 };
/// host.os.version: Distribution version, from os-release.
pub const host_os_version = Text{ .index = 31 };
/// message: The event in a sentence.
pub const message = Text{ .index = 32 };
/// ocellus.ancestors.entity_id: Entity ids, the parent first.
pub const ocellus_ancestors_entity_id = Texts{ .index = 33 };
/// ocellus.ancestors.executable: Executables, the parent first.
pub const ocellus_ancestors_executable = Texts{ .index = 34 };
/// ocellus.ancestors.name: Command names, the parent first.
pub const ocellus_ancestors_name = Texts{ .index = 35 };
/// ocellus.args_bytes: True length of argv, in bytes.
pub const ocellus_args_bytes = Number{ .index = 36 };
/// ocellus.capabilities.ambient: Ambient capabilities.
pub const ocellus_capabilities_ambient = Texts{ .index = 37 };
/// ocellus.capabilities.bounding: Bounding capabilities.
pub const ocellus_capabilities_bounding = Texts{ .index = 38 };
/// ocellus.capabilities.inheritable: Inheritable capabilities.
pub const ocellus_capabilities_inheritable = Texts{ .index = 39 };
/// ocellus.cgroup: cgroup path.
pub const ocellus_cgroup = Text{ .index = 40 };
/// ocellus.changes: What this event changed of the process: `user`, `group`, `session`, `capabilities`, `process_group`, `name`; an exec can, too (set-uid).
pub const ocellus_changes = Texts{ .index = 41 };
/// ocellus.component: Component that the event is about.
pub const ocellus_component = Text{ .index = 42 };
/// ocellus.core_dumped: The kernel wrote a core dump.
pub const ocellus_core_dumped = Flag{ .index = 43 };
/// ocellus.escaped: Fields with bytes that are not UTF-8: each such byte is written `\xHH`, each backslash `\\`.
pub const ocellus_escaped = Texts{ .index = 44 };
/// ocellus.exe.capabilities: It gave capabilities that its caller had not (file capabilities); root has them anyway, so that it is not told.
pub const ocellus_exe_capabilities = Flag{ .index = 45 };
/// ocellus.exe.ctime: Its time of change.
pub const ocellus_exe_ctime = Time{ .index = 46 };
/// ocellus.exe.deleted: It had no name left.
pub const ocellus_exe_deleted = Flag{ .index = 47 };
/// ocellus.exe.device: Its device, `major:minor`.
pub const ocellus_exe_device = Text{ .index = 48 };
/// ocellus.exe.gid: Its group.
pub const ocellus_exe_gid = Text{ .index = 49 };
/// ocellus.exe.inode: Inode of the executable, as the kernel had it at exec.
pub const ocellus_exe_inode = Number{ .index = 50 };
/// ocellus.exe.memfd: It lives in memory (memfd).
pub const ocellus_exe_memfd = Flag{ .index = 51 };
/// ocellus.exe.mode: Its mode in octal.
pub const ocellus_exe_mode = Text{ .index = 52 };
/// ocellus.exe.mtime: Its time of modification.
pub const ocellus_exe_mtime = Time{ .index = 53 };
/// ocellus.exe.nlink: Its number of names.
pub const ocellus_exe_nlink = Number{ .index = 54 };
/// ocellus.exe.overlay: `upper`: in the writable layer of a container's overlay; `lower`: from its image.
pub const ocellus_exe_overlay = Text{ .index = 55 };
/// ocellus.exe.setgid: It is set-gid, and its group may execute it.
pub const ocellus_exe_setgid = Flag{ .index = 56 };
/// ocellus.exe.setuid: It is set-uid.
pub const ocellus_exe_setuid = Flag{ .index = 57 };
/// ocellus.exe.size: Its size in bytes.
pub const ocellus_exe_size = Number{ .index = 58 };
/// ocellus.exe.uid: Its owner.
pub const ocellus_exe_uid = Text{ .index = 59 };
/// ocellus.execs.command_line: Arguments of each, joined by a space.
pub const ocellus_execs_command_line = Texts{ .index = 60 };
/// ocellus.execs.executable: Executable of each exec of a merged event, in order.
pub const ocellus_execs_executable = Texts{ .index = 61 };
/// ocellus.execs.time: When each was.
pub const ocellus_execs_time = Texts{ .index = 62 };
/// ocellus.filename: What was passed to exec: a relative path or a script.
pub const ocellus_filename = Text{ .index = 63 };
/// ocellus.filesystem_group.id: Group id for access to files (setfsgid).
pub const ocellus_filesystem_group_id = Text{ .index = 64 };
/// ocellus.filesystem_user.id: User id for access to files (setfsuid).
pub const ocellus_filesystem_user_id = Text{ .index = 65 };
/// ocellus.hash.status: `ok`, `pending` (the event did not wait, a later event of the process has the hashes), `changed`, `gone`, `too_large`, `timeout`, `error`, `unknown` (not seen which file it is) or `off`; anything but `ok` comes without hashes.
pub const ocellus_hash_status = Text{ .index = 66 };
/// ocellus.id_changes.group: Effective group id after each.
pub const ocellus_id_changes_group = Texts{ .index = 67 };
/// ocellus.id_changes.time: When each was.
pub const ocellus_id_changes_time = Texts{ .index = 68 };
/// ocellus.id_changes.user: Effective user id after each change of ids of a merged event, in order.
pub const ocellus_id_changes_user = Texts{ .index = 69 };
/// ocellus.inferred: Fields that were read from /proc or guessed after a loss, not seen as they happened.
pub const ocellus_inferred = Texts{ .index = 70 };
/// ocellus.kinds: Event kinds in this event, for example `process.fork`.
pub const ocellus_kinds = Texts{ .index = 71 };
/// ocellus.lost.cause: Why, for example `ring_full`.
pub const ocellus_lost_cause = Text{ .index = 72 };
/// ocellus.lost.count: Raw events that were lost.
pub const ocellus_lost_count = Number{ .index = 73 };
/// ocellus.lost.kind: Kind of the raw events that were lost.
pub const ocellus_lost_kind = Text{ .index = 74 };
/// ocellus.ns.cgroup: Inode of the cgroup namespace.
pub const ocellus_ns_cgroup = Number{ .index = 75 };
/// ocellus.ns.ipc: Inode of the ipc namespace.
pub const ocellus_ns_ipc = Number{ .index = 76 };
/// ocellus.ns.mnt: Inode of the mnt namespace.
pub const ocellus_ns_mnt = Number{ .index = 77 };
/// ocellus.ns.net: Inode of the net namespace.
pub const ocellus_ns_net = Number{ .index = 78 };
/// ocellus.ns.pid: Inode of the pid namespace.
pub const ocellus_ns_pid = Number{ .index = 79 };
/// ocellus.ns.time: Inode of the time namespace.
pub const ocellus_ns_time = Number{ .index = 80 };
/// ocellus.ns.user: Inode of the user namespace.
pub const ocellus_ns_user = Number{ .index = 81 };
/// ocellus.ns.uts: Inode of the uts namespace.
pub const ocellus_ns_uts = Number{ .index = 82 };
/// ocellus.pgid: Process group id.
pub const ocellus_pgid = Number{ .index = 83 };
/// ocellus.previous.capabilities.ambient: Ambient capabilities before.
pub const ocellus_previous_capabilities_ambient = Texts{ .index = 84 };
/// ocellus.previous.capabilities.bounding: Bounding capabilities before.
pub const ocellus_previous_capabilities_bounding = Texts{ .index = 85 };
/// ocellus.previous.capabilities.effective: Effective capabilities before.
pub const ocellus_previous_capabilities_effective = Texts{ .index = 86 };
/// ocellus.previous.capabilities.inheritable: Inheritable capabilities before.
pub const ocellus_previous_capabilities_inheritable = Texts{ .index = 87 };
/// ocellus.previous.capabilities.permitted: Permitted capabilities before.
pub const ocellus_previous_capabilities_permitted = Texts{ .index = 88 };
/// ocellus.previous.filesystem_group.id: Group id for access to files before.
pub const ocellus_previous_filesystem_group_id = Text{ .index = 89 };
/// ocellus.previous.filesystem_user.id: User id for access to files before.
pub const ocellus_previous_filesystem_user_id = Text{ .index = 90 };
/// ocellus.previous.group.id: Effective group id before.
pub const ocellus_previous_group_id = Text{ .index = 91 };
/// ocellus.previous.group.name: Effective group name before.
pub const ocellus_previous_group_name = Text{ .index = 92 };
/// ocellus.previous.name: Command name before.
pub const ocellus_previous_name = Text{ .index = 93 };
/// ocellus.previous.pgid: Process group id before.
pub const ocellus_previous_pgid = Number{ .index = 94 };
/// ocellus.previous.real_group.id: Real group id before.
pub const ocellus_previous_real_group_id = Text{ .index = 95 };
/// ocellus.previous.real_user.id: Real user id before.
pub const ocellus_previous_real_user_id = Text{ .index = 96 };
/// ocellus.previous.saved_group.id: Saved group id before.
pub const ocellus_previous_saved_group_id = Text{ .index = 97 };
/// ocellus.previous.saved_user.id: Saved user id before.
pub const ocellus_previous_saved_user_id = Text{ .index = 98 };
/// ocellus.previous.sid: Session id before.
pub const ocellus_previous_sid = Number{ .index = 99 };
/// ocellus.previous.user.id: Effective user id before.
pub const ocellus_previous_user_id = Text{ .index = 100 };
/// ocellus.previous.user.name: Effective user name before.
pub const ocellus_previous_user_name = Text{ .index = 101 };
/// ocellus.raw_events: Raw events merged into this one.
pub const ocellus_raw_events = Number{ .index = 102 };
/// ocellus.redacted: Names of fields in which secrets were replaced by `[redacted]`.
pub const ocellus_redacted = Texts{ .index = 103 };
/// ocellus.rules.alerts: Ids of the rules that alerted.
pub const ocellus_rules_alerts = Texts{ .index = 104 };
/// ocellus.rules.generation: Which load of the rule set judged the event.
pub const ocellus_rules_generation = Number{ .index = 105 };
/// ocellus.rules.messages: What they said, in the same order.
pub const ocellus_rules_messages = Texts{ .index = 106 };
/// ocellus.rules.tagged: Ids of the rules that tagged.
pub const ocellus_rules_tagged = Texts{ .index = 107 };
/// ocellus.secure_exec: The kernel told the program to be careful (AT_SECURE), as its file gave it rights that its caller had not, or a security module asked for that.
pub const ocellus_secure_exec = Flag{ .index = 108 };
/// ocellus.self: The sensor itself, or a child of it.
pub const ocellus_self = Flag{ .index = 109 };
/// ocellus.sid: Session id.
pub const ocellus_sid = Number{ .index = 110 };
/// ocellus.signal: Signal that ended the process.
pub const ocellus_signal = Number{ .index = 111 };
/// ocellus.thread_exec: A thread that was not the leader executed.
pub const ocellus_thread_exec = Flag{ .index = 112 };
/// ocellus.throttled.count: Events of a process tree, or of all, that were dropped because they were too many.
pub const ocellus_throttled_count = Number{ .index = 113 };
/// ocellus.throttled.limit: `tree`: the limit of one process tree, whose leader is in `process.entry_leader.*`; `global`: that of all.
pub const ocellus_throttled_limit = Text{ .index = 114 };
/// ocellus.truncated: Fields that are shorter than what the process had.
pub const ocellus_truncated = Texts{ .index = 115 };
/// orchestrator.namespace: Namespace of the pod.
pub const orchestrator_namespace = Text{ .index = 116 };
/// orchestrator.resource.id: UID of the pod.
pub const orchestrator_resource_id = Text{ .index = 117 };
/// orchestrator.resource.name: Name of the pod.
pub const orchestrator_resource_name = Text{ .index = 118 };
/// orchestrator.resource.type: `pod`.
pub const orchestrator_resource_type = Text{ .index = 119 };
/// orchestrator.type: `kubernetes`.
pub const orchestrator_type = Text{ .index = 120 };
/// process.args: Arguments, the first is argv[0].
pub const process_args = Texts{ .index = 121 };
/// process.args_count: True number of arguments, also where `process.args` is truncated.
pub const process_args_count = Number{ .index = 122 };
/// process.command_line: Arguments joined by a space.
pub const process_command_line = Text{ .index = 123 };
/// process.end: When the last thread ended.
pub const process_end = Time{ .index = 124 };
/// process.entity_id: Identifies the process: host, boot, pid and start time.
pub const process_entity_id = Text{ .index = 125 };
/// process.entry_leader.args: Arguments of the process through which this session entered the host.
pub const process_entry_leader_args = Texts{ .index = 126 };
/// process.entry_leader.args_count: Number of arguments of the process through which this session entered the host.
pub const process_entry_leader_args_count = Number{ .index = 127 };
/// process.entry_leader.entity_id: Entity id of the process through which this session entered the host.
pub const process_entry_leader_entity_id = Text{ .index = 128 };
/// process.entry_leader.entry_meta.type: How the session entered: `init`, `sshd`, `ssm`, `container`, `terminal` or `unknown`.
pub const process_entry_leader_entry_meta_type = Text{ .index = 129 };
/// process.entry_leader.executable: Executable of the process through which this session entered the host.
pub const process_entry_leader_executable = Text{ .index = 130 };
/// process.entry_leader.name: Command name of the process through which this session entered the host.
pub const process_entry_leader_name = Text{ .index = 131 };
/// process.entry_leader.pid: Process id of the process through which this session entered the host.
pub const process_entry_leader_pid = Number{ .index = 132 };
/// process.entry_leader.same_as_process: The process is the process through which this session entered the host.
pub const process_entry_leader_same_as_process = Flag{ .index = 133 };
/// process.entry_leader.start: Start of the process through which this session entered the host.
pub const process_entry_leader_start = Time{ .index = 134 };
/// process.env_vars: Environment, `NAME=value`.
pub const process_env_vars = Texts{ .index = 135 };
/// process.executable: Absolute path of the executable, in the process's root.
pub const process_executable = Text{ .index = 136 };
/// process.exit_code: Exit code; 128 + signal for a process that a signal ended.
pub const process_exit_code = Number{ .index = 137 };
/// process.group.id: Effective group id.
pub const process_group_id = Text{ .index = 138 };
/// process.group.name: Effective group name.
pub const process_group_name = Text{ .index = 139 };
/// process.group_leader.args: Arguments of the process group's leader.
pub const process_group_leader_args = Texts{ .index = 140 };
/// process.group_leader.args_count: Number of arguments of the process group's leader.
pub const process_group_leader_args_count = Number{ .index = 141 };
/// process.group_leader.entity_id: Entity id of the process group's leader.
pub const process_group_leader_entity_id = Text{ .index = 142 };
/// process.group_leader.executable: Executable of the process group's leader.
pub const process_group_leader_executable = Text{ .index = 143 };
/// process.group_leader.name: Command name of the process group's leader.
pub const process_group_leader_name = Text{ .index = 144 };
/// process.group_leader.pid: Process id of the process group's leader.
pub const process_group_leader_pid = Number{ .index = 145 };
/// process.group_leader.same_as_process: The process is the process group's leader.
pub const process_group_leader_same_as_process = Flag{ .index = 146 };
/// process.group_leader.start: Start of the process group's leader.
pub const process_group_leader_start = Time{ .index = 147 };
/// process.hash.md5: MD5 of the executable, lower-case hex.
pub const process_hash_md5 = Text{ .index = 148 };
/// process.hash.sha1: SHA-1 of the executable.
pub const process_hash_sha1 = Text{ .index = 149 };
/// process.hash.sha256: SHA-256 of the executable.
pub const process_hash_sha256 = Text{ .index = 150 };
/// process.hash.sha384: SHA-384 of the executable.
pub const process_hash_sha384 = Text{ .index = 151 };
/// process.hash.sha512: SHA-512 of the executable.
pub const process_hash_sha512 = Text{ .index = 152 };
/// process.interactive: It has a terminal.
pub const process_interactive = Flag{ .index = 153 };
/// process.name: Command name (comm), at most 15 bytes.
pub const process_name = Text{ .index = 154 };
/// process.parent.args: Arguments of the parent.
pub const process_parent_args = Texts{ .index = 155 };
/// process.parent.args_count: Number of arguments of the parent.
pub const process_parent_args_count = Number{ .index = 156 };
/// process.parent.command_line: Arguments of the parent joined by a space.
pub const process_parent_command_line = Text{ .index = 157 };
/// process.parent.entity_id: Entity id of the parent.
pub const process_parent_entity_id = Text{ .index = 158 };
/// process.parent.executable: Executable of the parent.
pub const process_parent_executable = Text{ .index = 159 };
/// process.parent.interactive: The parent has a terminal.
pub const process_parent_interactive = Flag{ .index = 160 };
/// process.parent.name: Command name of the parent.
pub const process_parent_name = Text{ .index = 161 };
/// process.parent.pid: Process id of the parent.
pub const process_parent_pid = Number{ .index = 162 };
/// process.parent.start: Start of the parent.
pub const process_parent_start = Time{ .index = 163 };
/// process.parent.user.id: Effective user id of the parent.
pub const process_parent_user_id = Text{ .index = 164 };
/// process.parent.user.name: Effective user name of the parent.
pub const process_parent_user_name = Text{ .index = 165 };
/// process.parent.working_directory: Current directory of the parent when last seen.
pub const process_parent_working_directory = Text{ .index = 166 };
/// process.pid: Process id (thread group) in the initial pid namespace.
pub const process_pid = Number{ .index = 167 };
/// process.previous.args: Arguments before the exec.
pub const process_previous_args = Texts{ .index = 168 };
/// process.previous.args_count: Number of arguments before the exec.
pub const process_previous_args_count = Number{ .index = 169 };
/// process.previous.executable: Executable before the exec.
pub const process_previous_executable = Text{ .index = 170 };
/// process.real_group.id: Real group id.
pub const process_real_group_id = Text{ .index = 171 };
/// process.real_group.name: Real group name.
pub const process_real_group_name = Text{ .index = 172 };
/// process.real_user.id: Real user id.
pub const process_real_user_id = Text{ .index = 173 };
/// process.real_user.name: Real user name.
pub const process_real_user_name = Text{ .index = 174 };
/// process.saved_group.id: Saved group id.
pub const process_saved_group_id = Text{ .index = 175 };
/// process.saved_group.name: Saved group name.
pub const process_saved_group_name = Text{ .index = 176 };
/// process.saved_user.id: Saved user id.
pub const process_saved_user_id = Text{ .index = 177 };
/// process.saved_user.name: Saved user name.
pub const process_saved_user_name = Text{ .index = 178 };
/// process.session_leader.args: Arguments of the session's leader.
pub const process_session_leader_args = Texts{ .index = 179 };
/// process.session_leader.args_count: Number of arguments of the session's leader.
pub const process_session_leader_args_count = Number{ .index = 180 };
/// process.session_leader.entity_id: Entity id of the session's leader.
pub const process_session_leader_entity_id = Text{ .index = 181 };
/// process.session_leader.executable: Executable of the session's leader.
pub const process_session_leader_executable = Text{ .index = 182 };
/// process.session_leader.name: Command name of the session's leader.
pub const process_session_leader_name = Text{ .index = 183 };
/// process.session_leader.pid: Process id of the session's leader.
pub const process_session_leader_pid = Number{ .index = 184 };
/// process.session_leader.same_as_process: The process is the session's leader.
pub const process_session_leader_same_as_process = Flag{ .index = 185 };
/// process.session_leader.start: Start of the session's leader.
pub const process_session_leader_start = Time{ .index = 186 };
/// process.start: When the process started (was forked).
pub const process_start = Time{ .index = 187 };
/// process.thread.capabilities.effective: Effective capabilities.
pub const process_thread_capabilities_effective = Texts{ .index = 188 };
/// process.thread.capabilities.permitted: Permitted capabilities.
pub const process_thread_capabilities_permitted = Texts{ .index = 189 };
/// process.thread.id: Thread whose credentials changed; those of its process are shown as they are in this thread.
pub const process_thread_id = Number{ .index = 190 };
/// process.tty.char_device.major: Major number of the controlling terminal.
pub const process_tty_char_device_major = Number{ .index = 191 };
/// process.tty.char_device.minor: Minor number of the controlling terminal.
pub const process_tty_char_device_minor = Number{ .index = 192 };
/// process.user.id: Effective user id.
pub const process_user_id = Text{ .index = 193 };
/// process.user.name: Effective user name.
pub const process_user_name = Text{ .index = 194 };
/// process.vpid: Process id in the process's own pid namespace.
pub const process_vpid = Number{ .index = 195 };
/// process.working_directory: Current directory.
pub const process_working_directory = Text{ .index = 196 };
/// rule.description: What it detects.
pub const rule_description = Text{ .index = 197 };
/// rule.id: Rule with the most severe alert.
pub const rule_id = Text{ .index = 198 };
/// rule.name: Its title.
pub const rule_name = Text{ .index = 199 };
/// rule.version: Its version.
pub const rule_version = Text{ .index = 200 };
/// service.type: `system`, as auditbeat has it.
pub const service_type = Text{ .index = 201 };
/// tags: What rules added.
pub const tags = Texts{ .index = 202 };
/// threat.framework: `MITRE ATT&CK`.
pub const threat_framework = Text{ .index = 203 };
/// threat.technique.id: ATT&CK techniques of the rules that alerted, sub-techniques by the technique that they belong to.
pub const threat_technique_id = Texts{ .index = 204 };
/// threat.technique.subtechnique.id: ATT&CK sub-techniques of the rules that alerted, for example `T1059.004`.
pub const threat_technique_subtechnique_id = Texts{ .index = 205 };
/// user.effective.group.id: Effective group id.
pub const user_effective_group_id = Text{ .index = 206 };
/// user.effective.group.name: Effective group name.
pub const user_effective_group_name = Text{ .index = 207 };
/// user.effective.id: Effective user id.
pub const user_effective_id = Text{ .index = 208 };
/// user.effective.name: Effective user name.
pub const user_effective_name = Text{ .index = 209 };
/// user.group.id: Real group id.
pub const user_group_id = Text{ .index = 210 };
/// user.group.name: Real group name.
pub const user_group_name = Text{ .index = 211 };
/// user.id: Real user id.
pub const user_id = Text{ .index = 212 };
/// user.name: Real user name.
pub const user_name = Text{ .index = 213 };

/// Names, by the index of the field.
pub const names = [_][]const u8{
    "@timestamp",
    "agent.type",
    "agent.version",
    "container.id",
    "container.image.hash.all",
    "container.image.name",
    "container.image.tag",
    "container.name",
    "container.runtime",
    "ecs.version",
    "error.message",
    "event.action",
    "event.category",
    "event.dataset",
    "event.id",
    "event.kind",
    "event.module",
    "event.sequence",
    "event.severity",
    "event.type",
    "host.architecture",
    "host.boot.id",
    "host.hostname",
    "host.id",
    "host.name",
    "host.os.family",
    "host.os.full",
    "host.os.kernel",
    "host.os.name",
    "host.os.platform",
    "host.os.type",
    "host.os.version",
    "message",
    "ocellus.ancestors.entity_id",
    "ocellus.ancestors.executable",
    "ocellus.ancestors.name",
    "ocellus.args_bytes",
    "ocellus.capabilities.ambient",
    "ocellus.capabilities.bounding",
    "ocellus.capabilities.inheritable",
    "ocellus.cgroup",
    "ocellus.changes",
    "ocellus.component",
    "ocellus.core_dumped",
    "ocellus.escaped",
    "ocellus.exe.capabilities",
    "ocellus.exe.ctime",
    "ocellus.exe.deleted",
    "ocellus.exe.device",
    "ocellus.exe.gid",
    "ocellus.exe.inode",
    "ocellus.exe.memfd",
    "ocellus.exe.mode",
    "ocellus.exe.mtime",
    "ocellus.exe.nlink",
    "ocellus.exe.overlay",
    "ocellus.exe.setgid",
    "ocellus.exe.setuid",
    "ocellus.exe.size",
    "ocellus.exe.uid",
    "ocellus.execs.command_line",
    "ocellus.execs.executable",
    "ocellus.execs.time",
    "ocellus.filename",
    "ocellus.filesystem_group.id",
    "ocellus.filesystem_user.id",
    "ocellus.hash.status",
    "ocellus.id_changes.group",
    "ocellus.id_changes.time",
    "ocellus.id_changes.user",
    "ocellus.inferred",
    "ocellus.kinds",
    "ocellus.lost.cause",
    "ocellus.lost.count",
    "ocellus.lost.kind",
    "ocellus.ns.cgroup",
    "ocellus.ns.ipc",
    "ocellus.ns.mnt",
    "ocellus.ns.net",
    "ocellus.ns.pid",
    "ocellus.ns.time",
    "ocellus.ns.user",
    "ocellus.ns.uts",
    "ocellus.pgid",
    "ocellus.previous.capabilities.ambient",
    "ocellus.previous.capabilities.bounding",
    "ocellus.previous.capabilities.effective",
    "ocellus.previous.capabilities.inheritable",
    "ocellus.previous.capabilities.permitted",
    "ocellus.previous.filesystem_group.id",
    "ocellus.previous.filesystem_user.id",
    "ocellus.previous.group.id",
    "ocellus.previous.group.name",
    "ocellus.previous.name",
    "ocellus.previous.pgid",
    "ocellus.previous.real_group.id",
    "ocellus.previous.real_user.id",
    "ocellus.previous.saved_group.id",
    "ocellus.previous.saved_user.id",
    "ocellus.previous.sid",
    "ocellus.previous.user.id",
    "ocellus.previous.user.name",
    "ocellus.raw_events",
    "ocellus.redacted",
    "ocellus.rules.alerts",
    "ocellus.rules.generation",
    "ocellus.rules.messages",
    "ocellus.rules.tagged",
    "ocellus.secure_exec",
    "ocellus.self",
    "ocellus.sid",
    "ocellus.signal",
    "ocellus.thread_exec",
    "ocellus.throttled.count",
    "ocellus.throttled.limit",
    "ocellus.truncated",
    "orchestrator.namespace",
    "orchestrator.resource.id",
    "orchestrator.resource.name",
    "orchestrator.resource.type",
    "orchestrator.type",
    "process.args",
    "process.args_count",
    "process.command_line",
    "process.end",
    "process.entity_id",
    "process.entry_leader.args",
    "process.entry_leader.args_count",
    "process.entry_leader.entity_id",
    "process.entry_leader.entry_meta.type",
    "process.entry_leader.executable",
    "process.entry_leader.name",
    "process.entry_leader.pid",
    "process.entry_leader.same_as_process",
    "process.entry_leader.start",
    "process.env_vars",
    "process.executable",
    "process.exit_code",
    "process.group.id",
    "process.group.name",
    "process.group_leader.args",
    "process.group_leader.args_count",
    "process.group_leader.entity_id",
    "process.group_leader.executable",
    "process.group_leader.name",
    "process.group_leader.pid",
    "process.group_leader.same_as_process",
    "process.group_leader.start",
    "process.hash.md5",
    "process.hash.sha1",
    "process.hash.sha256",
    "process.hash.sha384",
    "process.hash.sha512",
    "process.interactive",
    "process.name",
    "process.parent.args",
    "process.parent.args_count",
    "process.parent.command_line",
    "process.parent.entity_id",
    "process.parent.executable",
    "process.parent.interactive",
    "process.parent.name",
    "process.parent.pid",
    "process.parent.start",
    "process.parent.user.id",
    "process.parent.user.name",
    "process.parent.working_directory",
    "process.pid",
    "process.previous.args",
    "process.previous.args_count",
    "process.previous.executable",
    "process.real_group.id",
    "process.real_group.name",
    "process.real_user.id",
    "process.real_user.name",
    "process.saved_group.id",
    "process.saved_group.name",
    "process.saved_user.id",
    "process.saved_user.name",
    "process.session_leader.args",
    "process.session_leader.args_count",
    "process.session_leader.entity_id",
    "process.session_leader.executable",
    "process.session_leader.name",
    "process.session_leader.pid",
    "process.session_leader.same_as_process",
    "process.session_leader.start",
    "process.start",
    "process.thread.capabilities.effective",
    "process.thread.capabilities.permitted",
    "process.thread.id",
    "process.tty.char_device.major",
    "process.tty.char_device.minor",
    "process.user.id",
    "process.user.name",
    "process.vpid",
    "process.working_directory",
    "rule.description",
    "rule.id",
    "rule.name",
    "rule.version",
    "service.type",
    "tags",
    "threat.framework",
    "threat.technique.id",
    "threat.technique.subtechnique.id",
    "user.effective.group.id",
    "user.effective.group.name",
    "user.effective.id",
    "user.effective.name",
    "user.group.id",
    "user.group.name",
    "user.id",
    "user.name",
};

pub const Text = struct { index: u16 };
pub const Texts = struct { index: u16 };
pub const Number = struct { index: u16 };
pub const Flag = struct { index: u16 };
pub const Time = struct { index: u16 };
