// Fields: ECS names, and the numbers under which the sensor knows them.
import { sensor } from "./host.js";
import * as log from "./log.js";

/** A number that no field has: the sensor finds no value under it. */
export const UNKNOWN = 2 ** 32 - 1;

/** A field of events. `fields` has each one of the field table. */
export class Field {
  #number;

  /** `kind` is `text`, `texts`, `number`, `time` or `flag`. */
  constructor(name, kind) {
    this.name = name;
    this.kind = kind;
  }

  /**
   * The sensor's number for the field, asked for once. A sensor that is older than the rule may not
   * know the field; then no event has it, and the log says so.
   */
  get number() {
    if (this.#number === undefined) {
      try {
        this.#number = sensor.event.resolve(this.name);
      } catch (why) {
        log.warn(`this sensor has no field ${this.name}: ${why.message}`);
        this.#number = UNKNOWN;
      }
    }
    return this.#number;
  }
}
