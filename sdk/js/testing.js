// Test a rule natively, without a sensor:
//
//     import assert from "node:assert";
//     import test from "node:test";
//     import { FakeEvent, Tester } from "ocellus/testing";
//     import netcat from "../rule.js";
//
//     test("netcat alerts and others pass", () => {
//       const rule = new Tester(netcat);
//       const alert = rule.expectAlert(FakeEvent.exec("/usr/bin/nc", "nc", "-l"));
//       assert.equal(alert.message, "user started nc -l");
//       rule.expectPass(FakeEvent.exec("/usr/bin/ls", "ls"));
//     });
import { Event } from "./event.js";
import { fields } from "./fields.js";
import { connect } from "./host.js";
import { StandIn, passes } from "./stand_in.js";

/** Longest command name that the kernel keeps. */
const COMM_BYTES = 15;
/** Time of an event that is given none: 2026-01-01T00:00:00Z, ns since the epoch. */
const FIRST_EVENT_NS = 1_767_225_600_000_000_000;

const comm = (path) => path.split("/").pop().slice(0, COMM_BYTES);

/** An event with the fields that a test gives it, and no others. */
export class FakeEvent {
  constructor(values) {
    this.values = values;
  }

  /** An event of these kinds. */
  static of(...kinds) {
    return new FakeEvent({ "ocellus.kinds": kinds, "@timestamp": FIRST_EVENT_NS });
  }

  /** An ordinary execution by `user`, from a shell. */
  static exec(executable, ...args) {
    return FakeEvent.of("process.fork", "process.exec")
      .with(fields.processExecutable, executable)
      .with(fields.processName, comm(executable))
      .with(fields.processArgs, args)
      .with(fields.processPid, 4321)
      .with(fields.processCommandLine, args.join(" "))
      .with(fields.processEntityId, "fake-process")
      .user("user")
      .parent("/usr/bin/bash");
  }

  /** A copy with another value. One of the wrong type is an error of the test. */
  with(field, value) {
    const types = { text: "string", number: "number", time: "number", flag: "boolean" };
    const fits =
      field.kind === "texts" ? Array.isArray(value) : typeof value === types[field.kind];
    if (!fits) {
      throw new TypeError(`${field.name} is a ${field.kind}, and does not hold ${value}`);
    }
    return new FakeEvent({ ...this.values, [field.name]: value });
  }

  /** A copy that lacks a field. */
  without(field) {
    const { [field.name]: _, ...values } = this.values;
    return new FakeEvent(values);
  }

  /** A copy with another parent. */
  parent(executable) {
    return this.with(fields.processParentExecutable, executable)
      .with(fields.processParentName, comm(executable))
      .with(fields.processParentEntityId, `fake-parent-${executable}`);
  }

  /** A copy by another user; `root` has the id 0. */
  user(name) {
    const id = name === "root" ? "0" : "1000";
    return this.with(fields.userName, name)
      .with(fields.userEffectiveName, name)
      .with(fields.userId, id)
      .with(fields.userEffectiveId, id);
  }

  /** A copy with these command names above it, the parent first. */
  ancestors(...names) {
    return this.with(fields.ocellusAncestorsName, names);
  }

  /** A copy that happened later. */
  afterMs(milliseconds) {
    return this.with(fields.timestamp, this.values["@timestamp"] + milliseconds * 1e6);
  }
}

function termPasses({ field, test: { tag, val } }, values) {
  const value = values[field];
  if (tag === "present") {
    return value !== undefined;
  }
  if (tag === "range") {
    return typeof value === "number" && val[0] <= value && value <= val[1];
  }
  return [value ?? []].flat().some((text) => passes(text, tag, val));
}

function wants({ kinds, terms }, { values }) {
  const own = values["ocellus.kinds"] ?? [];
  const isKind = kinds.length === 0 || kinds.some((kind) => own.includes(kind));
  return isKind && terms.every((term) => termPasses(term, values));
}

/**
 * Judges events with one rule, as the sensor does: only those that its interests want. It begins
 * without state, processes and log lines.
 */
export class Tester {
  #standIn = new StandIn();

  constructor(rule, config = "") {
    this.rule = rule;
    connect(this.#standIn);
    rule.configure?.(config);
  }

  /** Let the rule find a process, with the fields of an event about it. */
  addProcess(entityId, event) {
    this.#standIn.known.set(entityId, event.values);
  }

  /** Level and text of the lines that the rule has logged. */
  get log() {
    return [...this.#standIn.lines];
  }

  /** What the rule says; undefined also when its interests do not want the event. */
  judge(event) {
    const interests = this.rule.interests ?? [];
    if (interests.length > 0 && !interests.some((interest) => wants(interest, event))) {
      return undefined;
    }
    connect(this.#standIn);
    this.#standIn.values = event.values;
    try {
      return this.rule.onEvent(new Event()) ?? undefined;
    } finally {
      this.#standIn.values = undefined;
    }
  }

  /** The alert on this event; an error of the test when there is none. */
  expectAlert(event) {
    const verdict = this.judge(event);
    if (verdict?.tag !== "alert") {
      throw new Error(`expected an alert, got ${JSON.stringify(verdict)}`);
    }
    return verdict.val;
  }

  /** The event passes; an error of the test when it does not. */
  expectPass(event) {
    const verdict = this.judge(event);
    if (verdict !== undefined) {
      throw new Error(`expected the event to pass, got ${JSON.stringify(verdict)}`);
    }
  }
}
