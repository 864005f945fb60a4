// Other processes than the one that the event is about, by their entity id.
//
// The sensor knows those that run, and those that ended up to some seconds ago.
// `wit/processes.wit` lists the fields that it gives.
import { sensor } from "./host.js";

/**
 * Entity ids of a process's ancestors, the parent first; at most 64. Empty when the process or its
 * parent is not known.
 */
export const ancestors = (entityId) => sensor.processes.ancestors(entityId);

/** A text field of a process. Undefined when the process or the value is not known. */
export const text = (entityId, field) =>
  sensor.processes.text(entityId, field.number) ?? undefined;

/** A number, a flag as 0 or 1, or a time, of a process. */
export function number(entityId, field) {
  const value = sensor.processes.number(entityId, field.number) ?? undefined;
  return value === undefined ? undefined : Number(value);
}

/** A field of several texts of a process. */
export const texts = (entityId, field) => sensor.processes.texts(entityId, field.number);
