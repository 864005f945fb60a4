// What a component remembers beyond one event, kept by the sensor: it outlives faults and new
// versions of the component.
//
// It is bounded: what was not used for the longest time makes room. Time is that of the events.
// Rules of one component share the keys, so begin them with the rule's id.
import { sensor } from "./host.js";
import * as log from "./log.js";
import { decode, encode } from "./utf8.js";

/** As long as there is room. */
export const FOREVER = 0;

/** The value of a key, a Uint8Array. Undefined when there is none, or when its time is over. */
export function get(key) {
  const value = sensor.state.get(key) ?? undefined;
  return value === undefined ? undefined : Uint8Array.from(value);
}

/** The value of a key that holds a text. */
export function getText(key) {
  const value = get(key);
  return value === undefined ? undefined : decode(value);
}

/** A counter's value; 0 when there is none, or when its time is over. */
export function count(key) {
  const value = get(key);
  return value?.length === 8 ? value.reduceRight((sum, byte) => sum * 256 + byte, 0) : 0;
}

/**
 * Keep a text or a Uint8Array for some milliseconds from the current event on; `FOREVER`: as long
 * as there is room. A key of more than 256 bytes, or a value of more than 64 KiB, is not kept, and
 * the log says so.
 */
export function set(key, value, ttlMs) {
  try {
    sensor.state.set(key, typeof value === "string" ? encode(value) : value, ttlMs);
  } catch (why) {
    log.error(`cannot keep the value of ${JSON.stringify(key)}: ${why.message}`);
  }
}

/** Forget a key. */
export function remove(key) {
  sensor.state.remove(key);
}

/**
 * Add to a counter and give its value. A counter ends some milliseconds after its first addition;
 * `FOREVER`: it stays as long as there is room.
 */
export function add(key, amount, ttlMs) {
  try {
    return Number(sensor.state.add(key, amount, ttlMs));
  } catch (why) {
    log.error(`cannot count ${JSON.stringify(key)}: ${why.message}`);
    return amount;
  }
}
