// The golden component in JavaScript; see ../README.md.
import { Interest, TextSet, alert, dropEvent, fields, processes, state, tag, utf8 } from "ocellus";

const shells = new TextSet("sh", "bash", "dash");
const dash = new TextSet("-");
const accent = new TextSet("é", "日");
const script = new TextSet(".sh", ".py");

/** FNV-1a of texts, each with a zero byte after it. */
function fnv1a(texts) {
  let value = 0x811c9dc5;
  for (const text of texts) {
    for (const byte of [...utf8.encode(text), 0]) {
      value = Math.imul(value ^ byte, 0x01000193) >>> 0;
    }
  }
  return value;
}

const hex = (number) => number.toString(16).padStart(8, "0");

const texts = {
  id: "golden-text",
  name: "Golden texts",
  interests: [
    Interest.exec()
      .oneOf(fields.processName, "sh", "bash", "make", "名前")
      .startsWith(fields.processExecutable, "/usr/", "/opt/"),
    Interest.of()
      .endsWith(fields.processExecutable, ".sh", ".py")
      .contains(fields.processArgs, "-", "é"),
  ],

  onEvent(event) {
    const [name, executable, missing] = event.many(
      fields.processName,
      fields.processExecutable,
      fields.ruleId,
    );
    const tags = [];
    if (event.isOneOf(fields.processName, shells)) {
      tags.push("shell");
    }
    if (event.startsWith(fields.processArgs, dash)) {
      tags.push("option");
    }
    if (event.contains(fields.processArgs, accent)) {
      tags.push("accent");
    }
    if (event.endsWith(fields.processExecutable, script)) {
      tags.push(`script ${hex(fnv1a([name ?? "", executable ?? "", missing ?? "none"]))}`);
    }
    return tags.length > 0 ? tag(...tags) : undefined;
  },
};

const states = {
  id: "golden-state",
  name: "Golden state",

  onEvent(event) {
    const entity = event.text(fields.processEntityId);
    if (entity === undefined) {
      return undefined;
    }
    const name = event.text(fields.processName) ?? "";
    const parent = event.text(fields.processParentEntityId) ?? "";
    const kinds = event.texts(fields.ocellusKinds);
    const args = event.texts(fields.processArgs);
    if (kinds.includes("process.exit")) {
      state.remove(`last/${name}`);
    }
    const count = state.add(`count/${parent}`, 1, 5000);
    const total = fnv1a([...args, name]);
    const last = state.get(`last/${name}`);
    const before =
      last === undefined ? "-" : hex(last.reduceRight((sum, byte) => sum * 256 + byte, 0));
    const bytes = [0, 8, 16, 24].map((shift) => (total >>> shift) & 0xff);
    state.set(`last/${name}`, Uint8Array.from(bytes), 2000);
    if (count % 4 !== 0 && total % 7 !== 0) {
      return undefined;
    }
    const above = processes.ancestors(entity).length;
    const executable = processes.text(parent, fields.processExecutable) ?? "-";
    const pid = processes.number(parent, fields.processPid) ?? 0;
    const parentArgs = processes.texts(parent, fields.processArgs).length;
    const what = [name, count, hex(total), before, above, executable, pid, parentArgs];
    return alert(total % 101, what.join(" "), ...kinds);
  },
};

const numbers = {
  id: "golden-number",
  name: "Golden numbers",
  drops: true,
  interests: [
    Interest.of("process.exec", "process.exit")
      .between(fields.processPid, 10, 40)
      .present(fields.processParentEntityId),
  ],

  onEvent(event) {
    const pid = event.number(fields.processPid) ?? 0;
    const code = event.number(fields.processExitCode);
    if (pid % 5 === 0) {
      return tag("five", `pid ${pid} ${event.flag(fields.processInteractive) ? "yes" : "no"}`);
    }
    if (code !== undefined && (pid + code) % 3 === 0) {
      return dropEvent();
    }
    return undefined;
  },
};

export default [texts, states, numbers];
