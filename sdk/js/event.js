// The event that is being judged.
import { sensor } from "./host.js";

/**
 * The current event. Nothing is copied until it is asked for; ask once and keep the answer when you
 * need it twice. A value that the event does not have is `undefined`, so that `??` gives another.
 */
export class Event {
  /** A text field. */
  text(field) {
    return sensor.event.text(field.number) ?? undefined;
  }

  /**
   * A number; a flag, as 0 or 1; a time, in nanoseconds since the epoch, of which a JavaScript
   * number keeps the microseconds.
   */
  number(field) {
    const value = sensor.event.number(field.number) ?? undefined;
    return value === undefined ? undefined : Number(value);
  }

  /** Whether the event has the flag and it is set. */
  flag(field) {
    return this.number(field) === 1;
  }

  /** All values of a field that holds several texts. Empty when the event does not have it. */
  texts(field) {
    return sensor.event.texts(field.number);
  }

  /** Several text fields in one call, which is cheaper than one by one. */
  many(...fields) {
    const texts = sensor.event.many(fields.map((field) => field.number));
    return texts.map((text) => text ?? undefined);
  }

  /**
   * Compare inside the sensor: nothing is copied. A field of several texts passes when one of them
   * does; a field that the event does not have never passes.
   */
  isOneOf(field, set) {
    return sensor.event.test(field.number, "one-of", set.number);
  }

  /** Whether the field starts with one of these; see `isOneOf`. */
  startsWith(field, set) {
    return sensor.event.test(field.number, "prefix", set.number);
  }

  /** Whether the field ends with one of these; see `isOneOf`. */
  endsWith(field, set) {
    return sensor.event.test(field.number, "suffix", set.number);
  }

  /** Whether the field contains one of these; see `isOneOf`. */
  contains(field, set) {
    return sensor.event.test(field.number, "contains", set.number);
  }
}
