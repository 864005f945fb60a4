// Sets of texts that the sensor keeps, so that comparing copies nothing.
import { UNKNOWN } from "./field.js";
import { sensor } from "./host.js";
import * as log from "./log.js";

/**
 * A set of texts for `Event.isOneOf` and its like. Make it where a module begins, not in `onEvent`:
 * an instance may have 64.
 */
export class TextSet {
  #number;

  constructor(...texts) {
    this.texts = texts;
  }

  /** The sensor's number for the set. One that it refuses is empty, and the log says so. */
  get number() {
    if (this.#number === undefined) {
      try {
        this.#number = sensor.event.makeSet(this.texts);
      } catch (why) {
        log.error(`this sensor refuses a set of ${this.texts.length} texts: ${why.message}`);
        this.#number = UNKNOWN;
      }
    }
    return this.#number;
  }
}
