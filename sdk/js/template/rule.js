// Alerts when netcat is started, and says by whom. Build it with
// `ocellus rules build .`.
import { resolve, text } from "ocellus:rule/event@0.1.0";

let userName, commandLine;

export function configure(config) {
  userName = resolve("user.name");
  commandLine = resolve("process.command_line");
  return {
    rules: [
      {
        id: "{{name}}",
        name: "Netcat was started",
        description: "Any start of netcat",
        version: "0.1.0",
        attack: ["T1095"],
        falsePositives: [],
        permissions: { tag: false, alert: true, drop: false },
      },
    ],
    interests: [
      {
        kinds: ["process.exec"],
        terms: [
          {
            field: "process.name",
            test: { tag: "one-of", val: ["nc", "ncat", "netcat"] },
          },
        ],
      },
    ],
  };
}

export function onEvent() {
  const message = `${text(userName) ?? "someone"} started ${text(commandLine) ?? "netcat"}`;
  return [
    { rule: 0, verdict: { tag: "alert", val: { severity: 47, message, tags: [] } } },
  ];
}
