// Which events a rule wants to see.

/**
 * Events for which all terms pass. The sensor evaluates interests natively, much faster than it can
 * call a rule. Each method gives a new interest with one term more.
 */
export class Interest {
  constructor(kinds, terms = []) {
    this.kinds = kinds;
    this.terms = terms;
  }

  /** Events of these kinds, for example `process.exit`; of every kind when there is none. */
  static of(...kinds) {
    return new Interest(kinds);
  }

  /** Executions. */
  static exec() {
    return new Interest(["process.exec"]);
  }

  #and(field, test) {
    return new Interest(this.kinds, [...this.terms, { field: field.name, test }]);
  }

  /** And the field is one of these. */
  oneOf(field, ...texts) {
    return this.#and(field, { tag: "one-of", val: texts });
  }

  /** And the field starts with one of these. */
  startsWith(field, ...texts) {
    return this.#and(field, { tag: "prefix", val: texts });
  }

  /** And the field ends with one of these. */
  endsWith(field, ...texts) {
    return this.#and(field, { tag: "suffix", val: texts });
  }

  /** And the field contains one of these. */
  contains(field, ...texts) {
    return this.#and(field, { tag: "contains", val: texts });
  }

  /** And the number lies between these two, both included. */
  between(field, least, most) {
    return this.#and(field, { tag: "range", val: [least, most] });
  }

  /** And the event has the field. */
  present(field) {
    return this.#and(field, { tag: "present" });
  }
}
