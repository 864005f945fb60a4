// What a rule wants done with an event; `undefined` lets it pass.
import { encode } from "./utf8.js";

/** Severity of an alert that is worth knowing, on its own not worth a look. */
export const LOW = 21;
/** Severity of an alert that someone should look at when there is time. */
export const MEDIUM = 47;
/** Severity of an alert that someone should look at today. */
export const HIGH = 73;
/** Severity of an alert that someone should look at now. */
export const CRITICAL = 99;

/** Longest message, in bytes. Longer ones are cut: a command line may have megabytes. */
const MESSAGE_BYTES = 1024;

/**
 * Mark the event as an alert. `severity` is 0 to 100; `message` is one line that says what
 * happened, and is cut at 1,024 bytes.
 */
export function alert(severity, message, ...tags) {
  const between = Math.max(0, Math.min(100, Math.trunc(severity)));
  return { tag: "alert", val: { severity: between, message: shortened(message), tags } };
}

/** Add tags to the event. */
export function tag(...tags) {
  return { tag: "tag", val: tags };
}

/** Do not deliver the event. The rule must ask for this, with `drops: true`. */
export function dropEvent() {
  return { tag: "drop" };
}

function shortened(message) {
  // A character has at most four bytes; most messages need no counting.
  if (message.length * 4 <= MESSAGE_BYTES) {
    return message;
  }
  let short = "";
  let bytes = 0;
  let cut = "";
  for (const character of message) {
    // Three bytes make room for the sign that something is missing.
    if (bytes <= MESSAGE_BYTES - 3) {
      cut = short;
    }
    bytes += encode(character).length;
    if (bytes > MESSAGE_BYTES) {
      return `${cut}…`;
    }
    short += character;
  }
  return message;
}
