// The component that `ocellus rules build` makes: the world `rule-with-state` of the contract.
import { Event } from "./event.js";
import { connect } from "./host.js";
import * as log from "./log.js";
import { decode, encode } from "./utf8.js";

/** Version of what `saveState` writes: a JSON object of texts, by the rule's id. */
const STATE_VERSION = 1;

/** What the component exports, of the sensor's interfaces and the default export of `rule.js`. */
export function component(interfaces, exported) {
  connect(interfaces);
  const rules = [exported].flat();
  const event = new Event();
  return {
    configure(config) {
      for (const rule of rules) {
        rule.configure?.(config);
      }
      return { rules: rules.map(lowered) };
    },

    onEvent() {
      const hits = [];
      // A component of one rule is called for what that wants.
      for (const position of rules.length === 1 ? [0] : interfaces.event.candidates()) {
        const verdict = judged(rules[position], event);
        if (verdict !== undefined) {
          hits.push({ rule: position, verdict });
        }
      }
      return hits;
    },

    carry: {
      saveState() {
        const saved = rules.map((rule) => [rule.id, rule.saveState?.()]);
        const some = saved.filter(([, state]) => state !== undefined);
        if (some.length === 0) {
          return undefined;
        }
        const bytes = encode(JSON.stringify(Object.fromEntries(some)));
        return { version: STATE_VERSION, bytes };
      },

      loadState({ version, bytes }) {
        if (version !== STATE_VERSION) {
          throw new Error(`it is of version ${version}, not ${STATE_VERSION}`);
        }
        const saved = JSON.parse(decode(Uint8Array.from(bytes)));
        for (const rule of rules) {
          if (rule.id in saved) {
            rule.loadState?.(saved[rule.id]);
          }
        }
      },
    },
  };
}

function judged(rule, event) {
  try {
    return rule.onEvent(event) ?? undefined;
  } catch (why) {
    // Without this, the trap says nothing about what failed and where.
    log.error(`${why}\n${why?.stack ?? ""}`);
    throw why;
  }
}

function lowered(rule) {
  return {
    id: rule.id,
    name: rule.name,
    description: rule.description ?? "",
    version: rule.version ?? "0.1.0",
    attack: rule.attack ?? [],
    falsePositives: rule.falsePositives ?? [],
    permissions: {
      tag: true,
      alert: true,
      drop: rule.drops ?? false,
      environment: rule.environment ?? false,
    },
    interests: (rule.interests ?? []).map(({ kinds, terms }) => ({ kinds, terms })),
  };
}
