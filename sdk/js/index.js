// Write detection rules for the Ocellus sensor in JavaScript. A rule is an object with `onEvent`,
// and the default export of `rule.js`, alone or in a list:
//
//     import { Interest, MEDIUM, alert, fields } from "ocellus";
//
//     export default {
//       id: "netcat",
//       name: "Netcat was started",
//       attack: ["T1095"],
//       interests: [Interest.exec().oneOf(fields.processName, "nc", "ncat")],
//       onEvent(event) {
//         return alert(MEDIUM, `netcat: ${event.text(fields.processCommandLine)}`);
//       },
//     };
//
// `ocellus rules build` makes a component of it; `ocellus/testing` tests it without a sensor.
export { Event } from "./event.js";
export { fields } from "./fields.js";
export { Interest } from "./interest.js";
export * as log from "./log.js";
export * as processes from "./processes.js";
export { TextSet } from "./sets.js";
export * as state from "./state.js";
export * as utf8 from "./utf8.js";
export { CRITICAL, HIGH, LOW, MEDIUM, alert, dropEvent, tag } from "./verdict.js";
