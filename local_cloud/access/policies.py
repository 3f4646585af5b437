"""IAM policies: parses their documents, and decides requests by the evaluation logic of IAM's user guide.

moto's own evaluator treats a false condition as a denial and knows few condition keys, so it is not used.
What this one does not know it refuses by UnsupportedPolicy: it never ignores a part of a policy.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_OPERATORS = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool")
_NEGATED = {name.replace("Equals", "NotEquals").replace("Like", "NotLike"): name for name in _OPERATORS[:4]}
_IF_EXISTS = "IfExists"
_ARN_PARTS = 6


class UnsupportedPolicy(Exception):
    """A policy has an element that this evaluator does not know."""


class Decision(Enum):
    """The result of an evaluation: only ALLOWED lets a request pass; DENIED wins over every ALLOWED."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"


@dataclass(frozen=True)
class Request:
    """One action on one resource; the keys of `context` are condition keys in lower case.

    `principals` are the names by which a resource policy or a trust policy may call the caller.
    """

    action: str
    resource: str = ""
    context: Mapping[str, str] | None = None
    principals: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Condition:
    """One operator on one key: true where the key's value matches one of `values`, or none if negated."""

    operator: str
    key: str
    values: tuple[str, ...]
    is_negated: bool = False
    if_exists: bool = False

    def holds(self, context: Mapping[str, str]) -> bool:
        """Return whether the condition is true; an absent key makes it false, and a negated one true."""
        value = context.get(self.key)
        if self.operator == "Null":
            return (value is None) == (self.values[0].lower() == "true")
        if value is None:
            return self.if_exists or self.is_negated
        return any(self._matches(wanted, value) for wanted in self.values) != self.is_negated

    def _matches(self, wanted: str, value: str) -> bool:
        if self.operator == "StringEquals":
            return wanted == value
        if self.operator == "Bool":
            return wanted.lower() == value.lower()
        if self.operator == "StringLike":
            return _matches(wanted, value)
        # ArnEquals and ArnLike are the same: a wildcard does not reach beyond its part.
        parts, found = wanted.split(":", _ARN_PARTS - 1), value.split(":", _ARN_PARTS - 1)
        return len(parts) == len(found) and all(map(_matches, parts, found))


@dataclass(frozen=True)
class Statement:
    """One statement; `resources` is empty in a trust policy, `principals` in an identity's policy."""

    is_deny: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: frozenset[str]
    conditions: tuple[_Condition, ...]
    excludes_actions: bool = False
    excludes_resources: bool = False

    def matches(self, request: Request) -> bool:
        """Return whether the statement is about `request`."""
        action = request.action.lower()
        if any(_matches(wanted, action) for wanted in self.actions) == self.excludes_actions:
            return False
        named = any(_matches(wanted, request.resource) for wanted in self.resources)
        if self.resources and named == self.excludes_resources:
            return False
        if self.principals and not self.principals & {*request.principals, "*"}:
            return False
        context = request.context or {}
        return all(condition.holds(context) for condition in self.conditions)


@dataclass(frozen=True)
class Policy:
    """The statements of one policy document."""

    statements: tuple[Statement, ...]

    @classmethod
    @functools.lru_cache(maxsize=1024)
    def parse(cls, text: str) -> Policy:
        """Return the policy in the JSON document `text`; raise UnsupportedPolicy."""
        return cls(tuple(_statement(one) for one in _listed(json.loads(text)["Statement"])))


def decide(policies: Iterable[Policy], request: Request) -> Decision:
    """Return the decision of all `policies` together."""
    found = [one for policy in policies for one in policy.statements if one.matches(request)]
    if any(one.is_deny for one in found):
        return Decision.DENIED
    return Decision.ALLOWED if found else Decision.NOT_ALLOWED


def _statement(fields: Mapping[str, Any]) -> Statement:
    unknown = fields.keys() - _ELEMENTS
    if unknown:
        raise UnsupportedPolicy(f"the element {', '.join(sorted(unknown))} of a policy is not evaluated")
    actions = fields["NotAction"] if "NotAction" in fields else fields["Action"]
    resources = fields.get("NotResource", fields.get("Resource", ()))
    principal = fields.get("Principal", ())
    principals = principal.values() if isinstance(principal, Mapping) else [principal]
    return Statement(
        is_deny=fields["Effect"] == "Deny",
        actions=tuple(action.lower() for action in _texts(actions)),
        resources=_texts(resources),
        principals=frozenset(name for names in principals for name in _texts(names)),
        conditions=tuple(
            _condition(operator, key, _texts(values))
            for operator, keys in fields.get("Condition", {}).items()
            for key, values in keys.items()
        ),
        excludes_actions="NotAction" in fields,
        excludes_resources="NotResource" in fields,
    )


def _condition(operator: str, key: str, values: tuple[str, ...]) -> _Condition:
    name = operator.removesuffix(_IF_EXISTS)
    known = _NEGATED.get(name, name)
    if known not in (*_OPERATORS, "Null"):
        raise UnsupportedPolicy(f"the condition operator {operator} is not evaluated")
    return _Condition(known, key.lower(), values, name in _NEGATED, operator.endswith(_IF_EXISTS))


def _texts(value: Any) -> tuple[str, ...]:
    found = tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in _listed(value))
    variables = [one for one in found if "${" in one]
    if variables:
        raise UnsupportedPolicy(f"the policy variable in {variables[0]} is not evaluated")
    return found


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _matches(pattern: str, value: str) -> bool:
    """Return whether `value` matches a pattern of IAM: * is any text, ? any one character."""
    return _compiled(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    return re.compile(".*".join(parts), re.DOTALL)
