// Made from wit/fields.toml by `make schema`; docs/schema.md says what they mean.

package field

// Timestamp is @timestamp: Kernel time of the event; for a merged event, of its first raw event.
const Timestamp Time = 0

// AgentType is agent.type: `ocellus`.
const AgentType Text = 1

// AgentVersion is agent.version: Version of the sensor.
const AgentVersion Text = 2

// ContainerID is container.id: Container id, from the cgroup path.
const ContainerID Text = 3

// ContainerImageHashAll is container.image.hash.all: Its digest, `sha256:…`.
const ContainerImageHashAll Texts = 4

// ContainerImageName is container.image.name: Image of the container without tag and digest, for example `docker.io/library/nginx`.
const ContainerImageName Text = 5

// ContainerImageTag is container.image.tag: Its tag.
const ContainerImageTag Texts = 6

// ContainerName is container.name: Name of the container, from its runtime's files; under Kubernetes, that in the pod.
const ContainerName Text = 7

// ContainerRuntime is container.runtime: Container runtime, from the cgroup path.
const ContainerRuntime Text = 8

// EcsVersion is ecs.version: Version of ECS that the field names follow.
const EcsVersion Text = 9

// ErrorMessage is error.message: What went wrong, for example why the executable has no hash.
const ErrorMessage Text = 10

// EventAction is event.action: What happened; the vocabulary is chosen by `ecs.actions`.
const EventAction Text = 11

// EventCategory is event.category: ECS category.
const EventCategory Texts = 12

// EventDataset is event.dataset: `process` or `sensor`.
const EventDataset Text = 13

// EventID is event.id: Identifies the event; the same each time that it is delivered.
const EventID Text = 14

// EventKind is event.kind: `event`; `alert` once a rule alerts.
const EventKind Text = 15

// EventModule is event.module: `system`, as auditbeat has it.
const EventModule Text = 16

// EventSequence is event.sequence: Counts the events of one run of the sensor; a gap is an event that a rule dropped or a sink lost.
const EventSequence Number = 17

// EventSeverity is event.severity: Highest severity of the alerts, 0 to 100.
const EventSeverity Number = 18

// EventType is event.type: ECS types, in the order info, start, change, end.
const EventType Texts = 19

// HostArchitecture is host.architecture: Machine type as uname(2) gives it.
const HostArchitecture Text = 20

// HostBootID is host.boot.id: Identifies this boot of the kernel.
const HostBootID Text = 21

// HostHostname is host.hostname: Host name as uname(2) gives it.
const HostHostname Text = 22

// HostID is host.id: Machine id.
const HostID Text = 23

// HostName is host.name: Host name, or what the configuration says.
const HostName Text = 24

// HostOSFamily is host.os.family: Distribution family, from os-release.
const HostOSFamily Text = 25

// HostOSFull is host.os.full: Distribution with version, from os-release.
const HostOSFull Text = 26

// HostOSKernel is host.os.kernel: Kernel release.
const HostOSKernel Text = 27

// HostOSName is host.os.name: Distribution, from os-release.
const HostOSName Text = 28

// HostOSPlatform is host.os.platform: Distribution id, from os-release.
const HostOSPlatform Text = 29

// HostOSType is host.os.type: `linux`.
const HostOSType Text = 30

// HostOSVersion is host.os.version: Distribution version, from os-release.
const HostOSVersion Text = 31

// Message is message: The event in a sentence.
const Message Text = 32

// OcellusAncestorsEntityID is ocellus.ancestors.entity_id: Entity ids, the parent first.
const OcellusAncestorsEntityID Texts = 33

// OcellusAncestorsExecutable is ocellus.ancestors.executable: Executables, the parent first.
const OcellusAncestorsExecutable Texts = 34

// OcellusAncestorsName is ocellus.ancestors.name: Command names, the parent first.
const OcellusAncestorsName Texts = 35

// OcellusArgsBytes is ocellus.args_bytes: True length of argv, in bytes.
const OcellusArgsBytes Number = 36

// OcellusCapabilitiesAmbient is ocellus.capabilities.ambient: Ambient capabilities.
const OcellusCapabilitiesAmbient Texts = 37

// OcellusCapabilitiesBounding is ocellus.capabilities.bounding: Bounding capabilities.
const OcellusCapabilitiesBounding Texts = 38

// OcellusCapabilitiesInheritable is ocellus.capabilities.inheritable: Inheritable capabilities.
const OcellusCapabilitiesInheritable Texts = 39

// OcellusCgroup is ocellus.cgroup: cgroup path.
const OcellusCgroup Text = 40

// OcellusChanges is ocellus.changes: What this event changed of the process: `user`, `group`, `session`, `capabilities`, `process_group`, `name`; an exec can, too (set-uid).
const OcellusChanges Texts = 41

// OcellusComponent is ocellus.component: Component that the event is about.
const OcellusComponent Text = 42

// OcellusCoreDumped is ocellus.core_dumped: The kernel wrote a core dump.
const OcellusCoreDumped Flag = 43

// OcellusEscaped is ocellus.escaped: Fields with bytes that are not UTF-8: each such byte is written `\xHH`, each backslash `\\`.
const OcellusEscaped Texts = 44

// OcellusExeCapabilities is ocellus.exe.capabilities: It gave capabilities that its caller had not (file capabilities); root has them anyway, so that it is not told.
const OcellusExeCapabilities Flag = 45

// OcellusExeCtime is ocellus.exe.ctime: Its time of change.
const OcellusExeCtime Time = 46

// OcellusExeDeleted is ocellus.exe.deleted: It had no name left.
const OcellusExeDeleted Flag = 47

// OcellusExeDevice is ocellus.exe.device: Its device, `major:minor`.
const OcellusExeDevice Text = 48

// OcellusExeGID is ocellus.exe.gid: Its group.
const OcellusExeGID Text = 49

// OcellusExeInode is ocellus.exe.inode: Inode of the executable, as the kernel had it at exec.
const OcellusExeInode Number = 50

// OcellusExeMemfd is ocellus.exe.memfd: It lives in memory (memfd).
const OcellusExeMemfd Flag = 51

// OcellusExeMode is ocellus.exe.mode: Its mode in octal.
const OcellusExeMode Text = 52

// OcellusExeMtime is ocellus.exe.mtime: Its time of modification.
const OcellusExeMtime Time = 53

// OcellusExeNlink is ocellus.exe.nlink: Its number of names.
const OcellusExeNlink Number = 54

// OcellusExeOverlay is ocellus.exe.overlay: `upper`: in the writable layer of a container's overlay; `lower`: from its image.
const OcellusExeOverlay Text = 55

// OcellusExeSetgid is ocellus.exe.setgid: It is set-gid, and its group may execute it.
const OcellusExeSetgid Flag = 56

// OcellusExeSetuid is ocellus.exe.setuid: It is set-uid.
const OcellusExeSetuid Flag = 57

// OcellusExeSize is ocellus.exe.size: Its size in bytes.
const OcellusExeSize Number = 58

// OcellusExeUID is ocellus.exe.uid: Its owner.
const OcellusExeUID Text = 59

// OcellusExecsCommandLine is ocellus.execs.command_line: Arguments of each, joined by a space.
const OcellusExecsCommandLine Texts = 60

// OcellusExecsExecutable is ocellus.execs.executable: Executable of each exec of a merged event, in order.
const OcellusExecsExecutable Texts = 61

// OcellusExecsTime is ocellus.execs.time: When each was.
const OcellusExecsTime Texts = 62

// OcellusFilename is ocellus.filename: What was passed to exec: a relative path or a script.
const OcellusFilename Text = 63

// OcellusFilesystemGroupID is ocellus.filesystem_group.id: Group id for access to files (setfsgid).
const OcellusFilesystemGroupID Text = 64

// OcellusFilesystemUserID is ocellus.filesystem_user.id: User id for access to files (setfsuid).
const OcellusFilesystemUserID Text = 65

// OcellusHashStatus is ocellus.hash.status: `ok`, `pending` (the event did not wait, a later event of the process has the hashes), `changed`, `gone`, `too_large`, `timeout`, `error`, `unknown` (not seen which file it is) or `off`; anything but `ok` comes without hashes.
const OcellusHashStatus Text = 66

// OcellusIDChangesGroup is ocellus.id_changes.group: Effective group id after each.
const OcellusIDChangesGroup Texts = 67

// OcellusIDChangesTime is ocellus.id_changes.time: When each was.
const OcellusIDChangesTime Texts = 68

// OcellusIDChangesUser is ocellus.id_changes.user: Effective user id after each change of ids of a merged event, in order.
const OcellusIDChangesUser Texts = 69

// OcellusInferred is ocellus.inferred: Fields that were read from /proc or guessed after a loss, not seen as they happened.
const OcellusInferred Texts = 70

// OcellusKinds is ocellus.kinds: Event kinds in this event, for example `process.fork`.
const OcellusKinds Texts = 71

// OcellusLostCause is ocellus.lost.cause: Why, for example `ring_full`.
const OcellusLostCause Text = 72

// OcellusLostCount is ocellus.lost.count: Raw events that were lost.
const OcellusLostCount Number = 73

// OcellusLostKind is ocellus.lost.kind: Kind of the raw events that were lost.
const OcellusLostKind Text = 74

// OcellusNSCgroup is ocellus.ns.cgroup: Inode of the cgroup namespace.
const OcellusNSCgroup Number = 75

// OcellusNSIpc is ocellus.ns.ipc: Inode of the ipc namespace.
const OcellusNSIpc Number = 76

// OcellusNSMnt is ocellus.ns.mnt: Inode of the mnt namespace.
const OcellusNSMnt Number = 77

// OcellusNSNet is ocellus.ns.net: Inode of the net namespace.
const OcellusNSNet Number = 78

// OcellusNSPID is ocellus.ns.pid: Inode of the pid namespace.
const OcellusNSPID Number = 79

// OcellusNSTime is ocellus.ns.time: Inode of the time namespace.
const OcellusNSTime Number = 80

// OcellusNSUser is ocellus.ns.user: Inode of the user namespace.
const OcellusNSUser Number = 81

// OcellusNSUts is ocellus.ns.uts: Inode of the uts namespace.
const OcellusNSUts Number = 82

// OcellusPGID is ocellus.pgid: Process group id.
const OcellusPGID Number = 83

// OcellusPreviousCapabilitiesAmbient is ocellus.previous.capabilities.ambient: Ambient capabilities before.
const OcellusPreviousCapabilitiesAmbient Texts = 84

// OcellusPreviousCapabilitiesBounding is ocellus.previous.capabilities.bounding: Bounding capabilities before.
const OcellusPreviousCapabilitiesBounding Texts = 85

// OcellusPreviousCapabilitiesEffective is ocellus.previous.capabilities.effective: Effective capabilities before.
const OcellusPreviousCapabilitiesEffective Texts = 86

// OcellusPreviousCapabilitiesInheritable is ocellus.previous.capabilities.inheritable: Inheritable capabilities before.
const OcellusPreviousCapabilitiesInheritable Texts = 87

// OcellusPreviousCapabilitiesPermitted is ocellus.previous.capabilities.permitted: Permitted capabilities before.
const OcellusPreviousCapabilitiesPermitted Texts = 88

// OcellusPreviousFilesystemGroupID is ocellus.previous.filesystem_group.id: Group id for access to files before.
const OcellusPreviousFilesystemGroupID Text = 89

// OcellusPreviousFilesystemUserID is ocellus.previous.filesystem_user.id: User id for access to files before.
const OcellusPreviousFilesystemUserID Text = 90

// OcellusPreviousGroupID is ocellus.previous.group.id: Effective group id before.
const OcellusPreviousGroupID Text = 91

// OcellusPreviousGroupName is ocellus.previous.group.name: Effective group name before.
const OcellusPreviousGroupName Text = 92

// OcellusPreviousName is ocellus.previous.name: Command name before.
const OcellusPreviousName Text = 93

// OcellusPreviousPGID is ocellus.previous.pgid: Process group id before.
const OcellusPreviousPGID Number = 94

// OcellusPreviousRealGroupID is ocellus.previous.real_group.id: Real group id before.
const OcellusPreviousRealGroupID Text = 95

// OcellusPreviousRealUserID is ocellus.previous.real_user.id: Real user id before.
const OcellusPreviousRealUserID Text = 96

// OcellusPreviousSavedGroupID is ocellus.previous.saved_group.id: Saved group id before.
const OcellusPreviousSavedGroupID Text = 97

// OcellusPreviousSavedUserID is ocellus.previous.saved_user.id: Saved user id before.
const OcellusPreviousSavedUserID Text = 98

// OcellusPreviousSID is ocellus.previous.sid: Session id before.
const OcellusPreviousSID Number = 99

// OcellusPreviousUserID is ocellus.previous.user.id: Effective user id before.
const OcellusPreviousUserID Text = 100

// OcellusPreviousUserName is ocellus.previous.user.name: Effective user name before.
const OcellusPreviousUserName Text = 101

// OcellusRawEvents is ocellus.raw_events: Raw events merged into this one.
const OcellusRawEvents Number = 102

// OcellusRedacted is ocellus.redacted: Names of fields in which secrets were replaced by `[redacted]`.
const OcellusRedacted Texts = 103

// OcellusRulesAlerts is ocellus.rules.alerts: Ids of the rules that alerted.
const OcellusRulesAlerts Texts = 104

// OcellusRulesGeneration is ocellus.rules.generation: Which load of the rule set judged the event.
const OcellusRulesGeneration Number = 105

// OcellusRulesMessages is ocellus.rules.messages: What they said, in the same order.
const OcellusRulesMessages Texts = 106

// OcellusRulesTagged is ocellus.rules.tagged: Ids of the rules that tagged.
const OcellusRulesTagged Texts = 107

// OcellusSecureExec is ocellus.secure_exec: The kernel told the program to be careful (AT_SECURE), as its file gave it rights that its caller had not, or a security module asked for that.
const OcellusSecureExec Flag = 108

// OcellusSelf is ocellus.self: The sensor itself, or a child of it.
const OcellusSelf Flag = 109

// OcellusSID is ocellus.sid: Session id.
const OcellusSID Number = 110

// OcellusSignal is ocellus.signal: Signal that ended the process.
const OcellusSignal Number = 111

// OcellusThreadExec is ocellus.thread_exec: A thread that was not the leader executed.
const OcellusThreadExec Flag = 112

// OcellusThrottledCount is ocellus.throttled.count: Events of a process tree, or of all, that were dropped because they were too many.
const OcellusThrottledCount Number = 113

// OcellusThrottledLimit is ocellus.throttled.limit: `tree`: the limit of one process tree, whose leader is in `process.entry_leader.*`; `global`: that of all.
const OcellusThrottledLimit Text = 114

// OcellusTruncated is ocellus.truncated: Fields that are shorter than what the process had.
const OcellusTruncated Texts = 115

// OrchestratorNamespace is orchestrator.namespace: Namespace of the pod.
const OrchestratorNamespace Text = 116

// OrchestratorResourceID is orchestrator.resource.id: UID of the pod.
const OrchestratorResourceID Text = 117

// OrchestratorResourceName is orchestrator.resource.name: Name of the pod.
const OrchestratorResourceName Text = 118

// OrchestratorResourceType is orchestrator.resource.type: `pod`.
const OrchestratorResourceType Text = 119

// OrchestratorType is orchestrator.type: `kubernetes`.
const OrchestratorType Text = 120

// ProcessArgs is process.args: Arguments, the first is argv[0].
const ProcessArgs Texts = 121

// ProcessArgsCount is process.args_count: True number of arguments, also where `process.args` is truncated.
const ProcessArgsCount Number = 122

// ProcessCommandLine is process.command_line: Arguments joined by a space.
const ProcessCommandLine Text = 123

// ProcessEnd is process.end: When the last thread ended.
const ProcessEnd Time = 124

// ProcessEntityID is process.entity_id: Identifies the process: host, boot, pid and start time.
const ProcessEntityID Text = 125

// ProcessEntryLeaderArgs is process.entry_leader.args: Arguments of the process through which this session entered the host.
const ProcessEntryLeaderArgs Texts = 126

// ProcessEntryLeaderArgsCount is process.entry_leader.args_count: Number of arguments of the process through which this session entered the host.
const ProcessEntryLeaderArgsCount Number = 127

// ProcessEntryLeaderEntityID is process.entry_leader.entity_id: Entity id of the process through which this session entered the host.
const ProcessEntryLeaderEntityID Text = 128

// ProcessEntryLeaderEntryMetaType is process.entry_leader.entry_meta.type: How the session entered: `init`, `sshd`, `ssm`, `container`, `terminal` or `unknown`.
const ProcessEntryLeaderEntryMetaType Text = 129

// ProcessEntryLeaderExecutable is process.entry_leader.executable: Executable of the process through which this session entered the host.
const ProcessEntryLeaderExecutable Text = 130

// ProcessEntryLeaderName is process.entry_leader.name: Command name of the process through which this session entered the host.
const ProcessEntryLeaderName Text = 131

// ProcessEntryLeaderPID is process.entry_leader.pid: Process id of the process through which this session entered the host.
const ProcessEntryLeaderPID Number = 132

// ProcessEntryLeaderSameAsProcess is process.entry_leader.same_as_process: The process is the process through which this session entered the host.
const ProcessEntryLeaderSameAsProcess Flag = 133

// ProcessEntryLeaderStart is process.entry_leader.start: Start of the process through which this session entered the host.
const ProcessEntryLeaderStart Time = 134

// ProcessEnvVars is process.env_vars: Environment, `NAME=value`.
const ProcessEnvVars Texts = 135

// ProcessExecutable is process.executable: Absolute path of the executable, in the process's root.
const ProcessExecutable Text = 136

// ProcessExitCode is process.exit_code: Exit code; 128 + signal for a process that a signal ended.
const ProcessExitCode Number = 137

// ProcessGroupID is process.group.id: Effective group id.
const ProcessGroupID Text = 138

// ProcessGroupName is process.group.name: Effective group name.
const ProcessGroupName Text = 139

// ProcessGroupLeaderArgs is process.group_leader.args: Arguments of the process group's leader.
const ProcessGroupLeaderArgs Texts = 140

// ProcessGroupLeaderArgsCount is process.group_leader.args_count: Number of arguments of the process group's leader.
const ProcessGroupLeaderArgsCount Number = 141

// ProcessGroupLeaderEntityID is process.group_leader.entity_id: Entity id of the process group's leader.
const ProcessGroupLeaderEntityID Text = 142

// ProcessGroupLeaderExecutable is process.group_leader.executable: Executable of the process group's leader.
const ProcessGroupLeaderExecutable Text = 143

// ProcessGroupLeaderName is process.group_leader.name: Command name of the process group's leader.
const ProcessGroupLeaderName Text = 144

// ProcessGroupLeaderPID is process.group_leader.pid: Process id of the process group's leader.
const ProcessGroupLeaderPID Number = 145

// ProcessGroupLeaderSameAsProcess is process.group_leader.same_as_process: The process is the process group's leader.
const ProcessGroupLeaderSameAsProcess Flag = 146

// ProcessGroupLeaderStart is process.group_leader.start: Start of the process group's leader.
const ProcessGroupLeaderStart Time = 147

// ProcessHashMd5 is process.hash.md5: MD5 of the executable, lower-case hex.
const ProcessHashMd5 Text = 148

// ProcessHashSha1 is process.hash.sha1: SHA-1 of the executable.
const ProcessHashSha1 Text = 149

// ProcessHashSha256 is process.hash.sha256: SHA-256 of the executable.
const ProcessHashSha256 Text = 150

// ProcessHashSha384 is process.hash.sha384: SHA-384 of the executable.
const ProcessHashSha384 Text = 151

// ProcessHashSha512 is process.hash.sha512: SHA-512 of the executable.
const ProcessHashSha512 Text = 152

// ProcessInteractive is process.interactive: It has a terminal.
const ProcessInteractive Flag = 153

// ProcessName is process.name: Command name (comm), at most 15 bytes.
const ProcessName Text = 154

// ProcessParentArgs is process.parent.args: Arguments of the parent.
const ProcessParentArgs Texts = 155

// ProcessParentArgsCount is process.parent.args_count: Number of arguments of the parent.
const ProcessParentArgsCount Number = 156

// ProcessParentCommandLine is process.parent.command_line: Arguments of the parent joined by a space.
const ProcessParentCommandLine Text = 157

// ProcessParentEntityID is process.parent.entity_id: Entity id of the parent.
const ProcessParentEntityID Text = 158

// ProcessParentExecutable is process.parent.executable: Executable of the parent.
const ProcessParentExecutable Text = 159

// ProcessParentInteractive is process.parent.interactive: The parent has a terminal.
const ProcessParentInteractive Flag = 160

// ProcessParentName is process.parent.name: Command name of the parent.
const ProcessParentName Text = 161

// ProcessParentPID is process.parent.pid: Process id of the parent.
const ProcessParentPID Number = 162

// ProcessParentStart is process.parent.start: Start of the parent.
const ProcessParentStart Time = 163

// ProcessParentUserID is process.parent.user.id: Effective user id of the parent.
const ProcessParentUserID Text = 164

// ProcessParentUserName is process.parent.user.name: Effective user name of the parent.
const ProcessParentUserName Text = 165

// ProcessParentWorkingDirectory is process.parent.working_directory: Current directory of the parent when last seen.
const ProcessParentWorkingDirectory Text = 166

// ProcessPID is process.pid: Process id (thread group) in the initial pid namespace.
const ProcessPID Number = 167

// ProcessPreviousArgs is process.previous.args: Arguments before the exec.
const ProcessPreviousArgs Texts = 168

// ProcessPreviousArgsCount is process.previous.args_count: Number of arguments before the exec.
const ProcessPreviousArgsCount Number = 169

// ProcessPreviousExecutable is process.previous.executable: Executable before the exec.
const ProcessPreviousExecutable Text = 170

// ProcessRealGroupID is process.real_group.id: Real group id.
const ProcessRealGroupID Text = 171

// ProcessRealGroupName is process.real_group.name: Real group name.
const ProcessRealGroupName Text = 172

// ProcessRealUserID is process.real_user.id: Real user id.
const ProcessRealUserID Text = 173

// ProcessRealUserName is process.real_user.name: Real user name.
const ProcessRealUserName Text = 174

// ProcessSavedGroupID is process.saved_group.id: Saved group id.
const ProcessSavedGroupID Text = 175

// ProcessSavedGroupName is process.saved_group.name: Saved group name.
const ProcessSavedGroupName Text = 176

// ProcessSavedUserID is process.saved_user.id: Saved user id.
const ProcessSavedUserID Text = 177

// ProcessSavedUserName is process.saved_user.name: Saved user name.
const ProcessSavedUserName Text = 178

// ProcessSessionLeaderArgs is process.session_leader.args: Arguments of the session's leader.
const ProcessSessionLeaderArgs Texts = 179

// ProcessSessionLeaderArgsCount is process.session_leader.args_count: Number of arguments of the session's leader.
const ProcessSessionLeaderArgsCount Number = 180

// ProcessSessionLeaderEntityID is process.session_leader.entity_id: Entity id of the session's leader.
const ProcessSessionLeaderEntityID Text = 181

// ProcessSessionLeaderExecutable is process.session_leader.executable: Executable of the session's leader.
const ProcessSessionLeaderExecutable Text = 182

// ProcessSessionLeaderName is process.session_leader.name: Command name of the session's leader.
const ProcessSessionLeaderName Text = 183

// ProcessSessionLeaderPID is process.session_leader.pid: Process id of the session's leader.
const ProcessSessionLeaderPID Number = 184

// ProcessSessionLeaderSameAsProcess is process.session_leader.same_as_process: The process is the session's leader.
const ProcessSessionLeaderSameAsProcess Flag = 185

// ProcessSessionLeaderStart is process.session_leader.start: Start of the session's leader.
const ProcessSessionLeaderStart Time = 186

// ProcessStart is process.start: When the process started (was forked).
const ProcessStart Time = 187

// ProcessThreadCapabilitiesEffective is process.thread.capabilities.effective: Effective capabilities.
const ProcessThreadCapabilitiesEffective Texts = 188

// ProcessThreadCapabilitiesPermitted is process.thread.capabilities.permitted: Permitted capabilities.
const ProcessThreadCapabilitiesPermitted Texts = 189

// ProcessThreadID is process.thread.id: Thread whose credentials changed; those of its process are shown as they are in this thread.
const ProcessThreadID Number = 190

// ProcessTTYCharDeviceMajor is process.tty.char_device.major: Major number of the controlling terminal.
const ProcessTTYCharDeviceMajor Number = 191

// ProcessTTYCharDeviceMinor is process.tty.char_device.minor: Minor number of the controlling terminal.
const ProcessTTYCharDeviceMinor Number = 192

// ProcessUserID is process.user.id: Effective user id.
const ProcessUserID Text = 193

// ProcessUserName is process.user.name: Effective user name.
const ProcessUserName Text = 194

// ProcessVPID is process.vpid: Process id in the process's own pid namespace.
const ProcessVPID Number = 195

// ProcessWorkingDirectory is process.working_directory: Current directory.
const ProcessWorkingDirectory Text = 196

// RuleDescription is rule.description: What it detects.
const RuleDescription Text = 197

// RuleID is rule.id: Rule with the most severe alert.
const RuleID Text = 198

// RuleName is rule.name: Its title.
const RuleName Text = 199

// RuleVersion is rule.version: Its version.
const RuleVersion Text = 200

// ServiceType is service.type: `system`, as auditbeat has it.
const ServiceType Text = 201

// Tags is tags: What rules added.
const Tags Texts = 202

// ThreatFramework is threat.framework: `MITRE ATT&CK`.
const ThreatFramework Text = 203

// ThreatTechniqueID is threat.technique.id: ATT&CK techniques of the rules that alerted, sub-techniques by the technique that they belong to.
const ThreatTechniqueID Texts = 204

// ThreatTechniqueSubtechniqueID is threat.technique.subtechnique.id: ATT&CK sub-techniques of the rules that alerted, for example `T1059.004`.
const ThreatTechniqueSubtechniqueID Texts = 205

// UserEffectiveGroupID is user.effective.group.id: Effective group id.
const UserEffectiveGroupID Text = 206

// UserEffectiveGroupName is user.effective.group.name: Effective group name.
const UserEffectiveGroupName Text = 207

// UserEffectiveID is user.effective.id: Effective user id.
const UserEffectiveID Text = 208

// UserEffectiveName is user.effective.name: Effective user name.
const UserEffectiveName Text = 209

// UserGroupID is user.group.id: Real group id.
const UserGroupID Text = 210

// UserGroupName is user.group.name: Real group name.
const UserGroupName Text = 211

// UserID is user.id: Real user id.
const UserID Text = 212

// UserName is user.name: Real user name.
const UserName Text = 213


var names = [...]string{
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
}
