"""Four rules that need state over time, in one component: a sequence, a threshold, the first of
its kind, a rare pair. They are small sisters of download-execute, failed-sudo, first-seen and
rare-child in `rules/`. Build them with `ocellus rules build examples/state-python`.
"""

from ocellus import HIGH, LOW, MEDIUM, Interest, Rule, alert, fields, state, tag

MINUTE_MS = 60_000
SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/", "/opt/", "/snap/")
#: Programs that start whatever people type.
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "sudo", "su", "make", "xargs"}


class DownloadExecute(Rule):
    id = "state-sequence"
    name = "A download was made executable and run"
    description = "One parent started a downloader, chmod and a program, one after the other."
    attack = ["T1105", "T1222.002", "T1204.002"]
    false_positives = ["Installers that people download and run"]
    interests = [
        Interest.exec().one_of(fields.PROCESS_NAME, "curl", "wget", "chmod"),
        Interest.exec().starts_with(fields.PROCESS_EXECUTABLE, "/tmp/", "/home/", "/root/"),
    ]

    def on_event(self, event):
        # Processes that one shell started one after the other share it as their parent.
        parent = event.text(fields.PROCESS_PARENT_ENTITY_ID)
        key = f"sequence {parent}"
        step = state.get_text(key)
        match event.text(fields.PROCESS_NAME):
            case "curl" | "wget":
                state.set(key, "downloaded", 10 * MINUTE_MS)
            case "chmod":
                if step is not None and any("x" in arg for arg in self.modes(event)):
                    state.set(key, "executable", 10 * MINUTE_MS)
            case _ if step == "executable":
                state.remove(key)
                user = event.text(fields.USER_EFFECTIVE_NAME)
                command = event.text(fields.PROCESS_COMMAND_LINE)
                return alert(HIGH, f"{user} downloaded, made executable and ran {command}")
        return None

    def modes(self, event) -> list[str]:
        """What may be a mode: `+x`, or the same as digits."""
        digits = {"1": "x", "3": "x", "5": "x", "7": "x"}
        args = event.texts(fields.PROCESS_ARGS)[1:]
        return ["".join(digits.get(letter, letter) for letter in arg) for arg in args[:1]]


class FailedSudo(Rule):
    id = "state-threshold"
    name = "A burst of failed sudo"
    description = "sudo or su failed five times within a minute for one user."
    attack = ["T1548.003", "T1110.001"]
    false_positives = ["Commands under sudo that fail", "Somebody who has forgotten the password"]
    interests = [
        Interest.of("process.exit")
        .one_of(fields.PROCESS_NAME, "sudo", "su")
        .between(fields.PROCESS_EXIT_CODE, 1, 255)
    ]

    def on_event(self, event):
        failed = event.number(fields.PROCESS_EXIT_CODE)
        if not failed or event.text(fields.PROCESS_NAME) not in ("sudo", "su"):
            return None
        user = event.text(fields.USER_ID)
        # Once a burst, not with each further failure.
        if state.add(f"sudo {user}", 1, MINUTE_MS) != 5:
            return None
        return alert(HIGH, f"{event.text(fields.USER_NAME)} failed 5 times within a minute")


class FirstSeen(Rule):
    id = "state-first-seen"
    name = "A program ran for the first time on this host"
    description = "A file was executed whose SHA-256 was not seen before, after a day of learning."
    attack = ["T1204.002"]
    false_positives = ["Programs that people compile or install for themselves"]
    interests = [Interest.exec().present(fields.PROCESS_HASH_SHA256)]
    learn_minutes = 24 * 60

    def configure(self, config):
        self.learn_minutes = int(config.get("learn_minutes", FirstSeen.learn_minutes))

    def on_event(self, event):
        now_s = event.number(fields.TIMESTAMP) // 10**9
        since_s = state.count("first-seen since")
        if since_s == 0:
            since_s = state.add("first-seen since", now_s, state.FOREVER)
        digest = event.text(fields.PROCESS_HASH_SHA256)
        is_new = state.add(f"first-seen {digest}", 1, state.FOREVER) == 1
        if not is_new or now_s < since_s + 60 * self.learn_minutes:
            return None
        path = event.text(fields.PROCESS_EXECUTABLE) or ""
        if path.startswith(SYSTEM):
            return tag("first-seen")
        return alert(MEDIUM, f"{path} never ran on this host before")


class RareChild(Rule):
    id = "state-rare-pair"
    name = "A program started one that it never started before"
    description = "A program that has started many others started one of a new name."
    attack = ["T1059.004", "T1190"]
    false_positives = ["Work that is done once a month"]
    interests = [Interest.exec().starts_with(fields.PROCESS_PARENT_EXECUTABLE, *SYSTEM)]
    children = 200

    def configure(self, config):
        self.children = int(config.get("children", RareChild.children))

    def on_event(self, event):
        parent, child = event.many(fields.PROCESS_PARENT_NAME, fields.PROCESS_NAME)
        if parent in SHELLS or parent == child:
            return None
        before = state.add(f"rare {parent}", 1, state.FOREVER) - 1
        if state.add(f"rare {parent} {child}", 1, state.FOREVER) > 1 or before < self.children:
            return None
        return alert(LOW, f"{parent} started {child}, the first in {before}")


RULES = [DownloadExecute(), FailedSudo(), FirstSeen(), RareChild()]
