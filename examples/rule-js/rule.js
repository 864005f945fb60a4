// Alerts when netcat is started, and says by whom. Build it with
// `ocellus rules build examples/rule-js`.
import { resolve, text } from "ocellus:rule/event@1.0.0";

let userName, commandLine;

export function configure(config) {
  userName = resolve("user.name");
  commandLine = resolve("process.command_line");
  return {
    rules: [
      {
        id: "example-netcat-js",
        name: "Netcat was started",
        description: "Any start of netcat: an example in JavaScript",
        version: "0.1.0",
        attack: ["T1095"],
        falsePositives: [],
        permissions: { tag: false, alert: true, drop: false, environment: false },
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
