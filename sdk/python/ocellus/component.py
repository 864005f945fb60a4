"""The component that `ocellus rules build` makes: the world `rule-with-state` of the contract, with
the rules that `rule.py` lists in `RULES`."""

import json
import tomllib

import rule
import wit_world
from componentize_py_types import Err
from wit_world.exports.carry import Saved
from wit_world.imports import event as host_event
from wit_world.imports import types

from . import log
from .event import Event
from .rule import Interest, Rule, Term
from .verdict import Alert, Tag, Verdict

RULES: list[Rule] = rule.RULES
EVENT = Event()
ONLY = [0]
#: Version of what `save_state` writes: a JSON object of texts in hexadecimal, by the rule's id.
STATE_VERSION = 1

TESTS = {
    "one-of": types.Test_OneOf,
    "prefix": types.Test_Prefix,
    "suffix": types.Test_Suffix,
    "contains": types.Test_Contains,
}


def _lower_term(term: Term) -> types.Term:
    if term.how == "range":
        return types.Term(term.field, types.Test_Range(term.values))
    if term.how == "present":
        return types.Term(term.field, types.Test_Present())
    return types.Term(term.field, TESTS[term.how](list(term.values)))


def _lower_interest(interest: Interest) -> types.Interest:
    return types.Interest(list(interest.kinds), [_lower_term(term) for term in interest.terms])


def _lower_rule(rule: Rule) -> types.RuleInfo:
    permissions = types.Permissions.TAG | types.Permissions.ALERT
    if rule.drops:
        permissions |= types.Permissions.DROP
    if rule.environment:
        permissions |= types.Permissions.ENVIRONMENT
    return types.RuleInfo(
        id=rule.id,
        name=rule.name,
        description=rule.description,
        version=rule.version,
        attack=rule.attack,
        false_positives=rule.false_positives,
        permissions=permissions,
        interests=[_lower_interest(interest) for interest in rule.interests],
    )


def _lower_verdict(verdict: Verdict) -> types.Verdict:
    if isinstance(verdict, Alert):
        lowered = types.Alert(verdict.severity, verdict.message, verdict.tags)
        return types.Verdict_Alert(lowered)
    if isinstance(verdict, Tag):
        return types.Verdict_Tag(verdict.tags)
    return types.Verdict_Drop()


class WitWorld(wit_world.WitWorld):
    def configure(self, config: str) -> types.Metadata:
        try:
            table = tomllib.loads(config)
            for one in RULES:
                one.configure(table)
        except ValueError as why:
            raise Err(str(why)) from why
        return types.Metadata([_lower_rule(one) for one in RULES])

    def on_event(self) -> list[types.Hit]:
        hits = []
        # A component of one rule is called for what that wants.
        for position in ONLY if len(RULES) == 1 else host_event.candidates():
            try:
                verdict = RULES[position].on_event(EVENT)
            except Exception as why:
                # Without this, the trap says nothing about what failed and where.
                log.error(_where(why))
                raise
            if verdict is not None:
                hits.append(types.Hit(position, _lower_verdict(verdict)))
        return hits


def _where(why: Exception) -> str:
    """An exception, and the line of the rule from which it came."""
    step = why.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    place = "" if step is None else f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}: "
    return f"{place}{type(why).__name__}: {why}"


class Carry:
    def save_state(self) -> Saved | None:
        saved = {one.id: state for one in RULES if (state := one.save_state()) is not None}
        if not saved:
            return None
        texts = {rule_id: state.hex() for rule_id, state in saved.items()}
        return Saved(STATE_VERSION, json.dumps(texts).encode())

    def load_state(self, saved: Saved) -> None:
        try:
            if saved.version != STATE_VERSION:
                raise ValueError(f"it is of version {saved.version}, not {STATE_VERSION}")
            texts = json.loads(saved.bytes)
            for one in RULES:
                if one.id in texts:
                    one.load_state(bytes.fromhex(texts[one.id]))
        except (ValueError, TypeError, AttributeError) as why:
            raise Err(str(why)) from why
