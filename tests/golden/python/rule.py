"""The golden component in Python; see ../README.md."""

from ocellus import Interest, Rule, Set, alert, drop_event, fields, processes, state, tag

SHELLS = Set("sh", "bash", "dash")
DASH = Set("-")
ACCENT = Set("é", "日")
SCRIPT = Set(".sh", ".py")


def fnv1a(texts: list[str]) -> int:
    """FNV-1a of texts, each with a zero byte after it."""
    value = 0x811C9DC5
    for text in texts:
        for byte in (*text.encode(), 0):
            value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


class Texts(Rule):
    id = "golden-text"
    name = "Golden texts"
    interests = [
        Interest.exec()
        .one_of(fields.PROCESS_NAME, "sh", "bash", "make", "名前")
        .starts_with(fields.PROCESS_EXECUTABLE, "/usr/", "/opt/"),
        Interest.of()
        .ends_with(fields.PROCESS_EXECUTABLE, ".sh", ".py")
        .contains(fields.PROCESS_ARGS, "-", "é"),
    ]

    def on_event(self, event):
        name, executable, missing = event.many(
            fields.PROCESS_NAME, fields.PROCESS_EXECUTABLE, fields.RULE_ID
        )
        tags = []
        if event.is_one_of(fields.PROCESS_NAME, SHELLS):
            tags.append("shell")
        if event.starts_with(fields.PROCESS_ARGS, DASH):
            tags.append("option")
        if event.contains(fields.PROCESS_ARGS, ACCENT):
            tags.append("accent")
        if event.ends_with(fields.PROCESS_EXECUTABLE, SCRIPT):
            tags.append(f"script {fnv1a([name or '', executable or '', missing or 'none']):08x}")
        return tag(*tags) if tags else None


class State(Rule):
    id = "golden-state"
    name = "Golden state"

    def on_event(self, event):
        entity = event.text(fields.PROCESS_ENTITY_ID)
        if entity is None:
            return None
        name = event.text(fields.PROCESS_NAME) or ""
        parent = event.text(fields.PROCESS_PARENT_ENTITY_ID) or ""
        kinds = event.texts(fields.OCELLUS_KINDS)
        args = event.texts(fields.PROCESS_ARGS)
        if "process.exit" in kinds:
            state.remove(f"last/{name}")
        count = state.add(f"count/{parent}", 1, 5000)
        total = fnv1a([*args, name])
        before = state.get(f"last/{name}")
        before = "-" if before is None else f"{int.from_bytes(before, 'little'):08x}"
        state.set(f"last/{name}", total.to_bytes(4, "little"), 2000)
        if count % 4 != 0 and total % 7 != 0:
            return None
        above = len(processes.ancestors(entity))
        executable = processes.text(parent, fields.PROCESS_EXECUTABLE) or "-"
        pid = processes.number(parent, fields.PROCESS_PID) or 0
        parent_args = len(processes.texts(parent, fields.PROCESS_ARGS))
        message = f"{name} {count} {total:08x} {before} {above} {executable} {pid} {parent_args}"
        return alert(total % 101, message, *kinds)


class Numbers(Rule):
    id = "golden-number"
    name = "Golden numbers"
    drops = True
    interests = [
        Interest.of("process.exec", "process.exit")
        .between(fields.PROCESS_PID, 10, 40)
        .present(fields.PROCESS_PARENT_ENTITY_ID)
    ]

    def on_event(self, event):
        pid = event.number(fields.PROCESS_PID) or 0
        code = event.number(fields.PROCESS_EXIT_CODE)
        if pid % 5 == 0:
            interactive = event.flag(fields.PROCESS_INTERACTIVE)
            return tag("five", f"pid {pid} {'yes' if interactive else 'no'}")
        if code is not None and (pid + code) % 3 == 0:
            return drop_event()
        return None


RULES = [Texts(), State(), Numbers()]
