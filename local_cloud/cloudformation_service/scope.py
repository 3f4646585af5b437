"""Evaluates intrinsic functions with parameters, conditions, and the resources made so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.cloudformation_service.template import NO_VALUE, SUB_REFERENCE, Template, UnsupportedTemplate


class Scope:
    """The values of a template's names; a resource is known after `add`."""

    def __init__(self, values: Mapping[str, Any], conditions: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values)
        self._conditions = dict(conditions or {})
        self._attributes: dict[str, str] = {}

    @classmethod
    def of(cls, template: Template, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> Scope:
        """Return the scope of `template`; `parameters` override its defaults."""
        values: dict[str, Any] = {**template.defaults, **parameters, **pseudo}
        for name in template.lists:
            values[name] = [one for one in str(values[name]).split(",") if one]
        return cls(values, template.conditions)

    def add(self, name: str, reference: str, attributes: Mapping[str, str]) -> None:
        """Add the resource `name` with its Ref and its GetAtt values."""
        self._values[name] = reference
        self._attributes.update({f"{name}.{key}": value for key, value in attributes.items()})

    def holds(self, condition: str) -> bool:
        """Return whether the condition of this name is true; an empty name always is."""
        if not condition:
            return True
        if condition not in self._conditions:
            raise UnsupportedTemplate(f"there is no condition {condition}")
        return bool(self.evaluate(self._conditions[condition]))

    def evaluate(self, value: Any) -> Any:
        """Return `value` with intrinsic functions evaluated; raise UnsupportedTemplate for unknown ones."""
        if isinstance(value, list):
            return [one for one in map(self.evaluate, value) if one != NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref" or str(name).startswith("Fn::"):
                return self._call(name, argument)
        evaluated = {name: self.evaluate(one) for name, one in value.items()}
        return {name: one for name, one in evaluated.items() if one != NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._reference,
            "Fn::Sub": self._substitute,
            "Fn::GetAtt": lambda parts: self._attribute(".".join(parts)),
            "Fn::If": self._choose,
            "Fn::Equals": lambda pair: self.evaluate(pair[0]) == self.evaluate(pair[1]),
            "Fn::Not": lambda one: not self.evaluate(one[0]),
            "Fn::Join": lambda parts: parts[0].join(self.evaluate(parts[1])),
        }
        if name not in functions:
            raise UnsupportedTemplate(f"{name} is not applied by the local cloud")
        return functions[name](argument)

    def _choose(self, parts: list[Any]) -> Any:
        condition, holding, otherwise = parts
        return self.evaluate(holding if self.holds(condition) else otherwise)

    def _substitute(self, text: Any) -> str:
        if not isinstance(text, str):
            raise UnsupportedTemplate("Fn::Sub with a map of variables is not applied by the local cloud")

        def named(match: re.Match[str]) -> str:
            is_attribute = "." in match[1] and "::" not in match[1]
            return self._attribute(match[1]) if is_attribute else str(self._reference(match[1]))

        return re.sub(SUB_REFERENCE, named, text).replace("${!", "${")

    def _reference(self, name: str) -> Any:
        if name == NO_VALUE:
            return NO_VALUE
        if name not in self._values:
            raise UnsupportedTemplate(f"there is no parameter and no resource {name}")
        return self._values[name]

    def _attribute(self, name: str) -> str:
        if name not in self._attributes:
            raise UnsupportedTemplate(f"GetAtt {name} is not known to the local cloud")
        return self._attributes[name]
