// A stand-in for the sensor, so that rules run natively in tests.

/** Names of the fields that were asked for; a field's number is its place. */
const names = [];
/** Sets that were made; a set's number is its place. */
const sets = [];

/** Whether a text passes a test with some texts. */
export function passes(text, how, texts) {
  const tests = {
    "one-of": (other) => text === other,
    prefix: (other) => text.startsWith(other),
    suffix: (other) => text.endsWith(other),
    contains: (other) => text.includes(other),
  };
  return texts.some(tests[how]);
}

const asText = (value) => (typeof value === "string" ? value : null);
const asNumber = (value) =>
  typeof value === "number" || typeof value === "boolean" ? Number(value) : null;
const asTexts = (value) =>
  typeof value === "string" || Array.isArray(value) ? [value].flat() : [];

/** The interfaces of the contract, over the values of one event. */
export class StandIn {
  /** Values of the current event, by name; undefined when there is none. */
  values;
  /** Values of other processes, by entity id. */
  known = new Map();
  /** Level and text of lines in the log. */
  lines = [];
  #kept = new Map();

  #value(field) {
    if (this.values === undefined) {
      throw new Error("there is an event only inside `onEvent`");
    }
    return this.values[names[field]];
  }

  #nowNs() {
    return this.values?.["@timestamp"] ?? 0;
  }

  #endsNs(ttlMs) {
    return ttlMs === 0 ? Infinity : this.#nowNs() + ttlMs * 1e6;
  }

  event = {
    resolve: (name) => {
      if (!names.includes(name)) {
        names.push(name);
      }
      return names.indexOf(name);
    },
    text: (field) => asText(this.#value(field)),
    number: (field) => asNumber(this.#value(field)),
    texts: (field) => asTexts(this.#value(field)),
    many: (numbers) => numbers.map((field) => asText(this.#value(field))),
    makeSet: (texts) => sets.push(texts) - 1,
    test: (field, how, set) =>
      asTexts(this.#value(field)).some((text) => passes(text, how, sets[set])),
  };

  host = { log: (level, message) => this.lines.push([level, message]) };

  processes = {
    ancestors: (id) => asTexts(this.known.get(id)?.["ocellus.ancestors.entity_id"]).slice(0, 64),
    text: (id, field) => asText(this.known.get(id)?.[names[field]]),
    number: (id, field) => asNumber(this.known.get(id)?.[names[field]]),
    texts: (id, field) => asTexts(this.known.get(id)?.[names[field]]),
  };

  state = {
    get: (key) => {
      const kept = this.#kept.get(key);
      return kept !== undefined && kept.endsNs > this.#nowNs() ? kept.value : null;
    },
    set: (key, value, ttlMs) => {
      if (key.length > 256 || value.length > 64 << 10) {
        throw new Error("the key or the value is too long");
      }
      this.#kept.set(key, { value: Uint8Array.from(value), endsNs: this.#endsNs(ttlMs) });
    },
    remove: (key) => this.#kept.delete(key),
    add: (key, amount, ttlMs) => {
      const before = this.state.get(key);
      const isCounter = before?.length === 8;
      const endsNs = isCounter ? this.#kept.get(key).endsNs : this.#endsNs(ttlMs);
      const view = new DataView(new ArrayBuffer(8));
      const count = isCounter ? new DataView(before.buffer).getBigUint64(0, true) : 0n;
      view.setBigUint64(0, count + BigInt(amount), true);
      this.#kept.set(key, { value: new Uint8Array(view.buffer), endsNs });
      return Number(count) + amount;
    },
  };
}
