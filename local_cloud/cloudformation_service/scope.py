"""What names mean while a template is applied: parameters, conditions, and the resources made so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.cloudformation_service.template import NO_VALUE, SUB_REFERENCE, Template, UnsupportedTemplate


class Scope:
    """Evaluates intrinsics; knows each resource once it is added."""

    def __init__(self, values: Mapping[str, Any], conditions: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values)
        self._conditions = dict(conditions or {})
        self._attributes: dict[str, str] = {}

    @classmethod
    def of(cls, template: Template, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> Scope:
        """Return the scope of `template` with `parameters` over its defaults."""
        values: dict[str, Any] = {**template.defaults, **parameters, **pseudo}
        for name in template.lists:
            values[name] = [one for one in str(values[name]).split(",") if one]
        return cls(values, template.conditions)

    def add(self, name: str, reference: str, attributes: Mapping[str, str]) -> None:
        """Note the resource `name`: its Ref, and what GetAtt gives."""
        self._values[name] = reference
        self._attributes.update({f"{name}.{key}": value for key, value in attributes.items()})

    def holds(self, condition: str) -> bool:
        """Return whether the condition of this name holds; an empty name always does."""
        if not condition:
            return True
        if condition not in self._conditions:
            raise UnsupportedTemplate(f"{condition} names no condition")
        return bool(self.evaluate(self._conditions[condition]))

    def evaluate(self, value: Any) -> Any:
        """Return `value` with every intrinsic replaced; raise UnsupportedTemplate for an unknown one."""
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
        filled = re.sub(SUB_REFERENCE, lambda match: self._named(match.group(1)), text)
        return filled.replace("${!", "${")

    def _named(self, name: str) -> str:
        return self._attribute(name) if "." in name and "::" not in name else str(self._reference(name))

    def _reference(self, name: str) -> Any:
        if name == NO_VALUE:
            return NO_VALUE
        if name not in self._values:
            raise UnsupportedTemplate(f"{name} names no parameter and no resource")
        return self._values[name]

    def _attribute(self, name: str) -> str:
        if name not in self._attributes:
            raise UnsupportedTemplate(f"GetAtt {name} is not known to the local cloud")
        return self._attributes[name]
