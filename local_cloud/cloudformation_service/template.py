"""CloudFormation templates: parsing YAML with its short forms, and the order of resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml

try:
    # The loader in C takes a tenth of the time; PyYAML's wheels have it.
    from yaml import CSafeLoader as _SafeLoader
except ImportError:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

SUB_REFERENCE = re.compile(r"\$\{([^!}][^}]*)\}")
_TEMPLATE_KEYS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Parameters",
    "Conditions",
    "Resources",
    "Outputs",
}
_RESOURCE_KEYS = {
    "Type",
    "Properties",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Condition",
    "Metadata",
}
NO_VALUE = "AWS::NoValue"


class UnsupportedTemplate(Exception):
    """The template has a part that the local cloud does not apply; no part is ever skipped."""


@dataclass(frozen=True)
class Resource:
    """One resource of a template; its intrinsic functions are not evaluated yet."""

    name: str
    kind: str
    properties: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    condition: str = ""
    is_kept: bool = False


@dataclass(frozen=True)
class Template:
    """A parsed template; `lists` are the parameters that are comma-delimited lists."""

    defaults: dict[str, str]
    parameters: frozenset[str]
    lists: frozenset[str] = frozenset()
    conditions: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def in_order(self) -> list[Resource]:
        """Return the resources, each after all that it depends on."""
        graph = {
            name: sorted({*_references(one.properties), *one.depends_on} & self.resources.keys())
            for name, one in self.resources.items()
        }
        try:
            return [self.resources[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            raise UnsupportedTemplate(f"resources depend on each other: {error.args[1]}") from error


class _TemplateLoader(_SafeLoader):
    """SafeLoader with CloudFormation's short forms."""


def _short_form(name: str) -> Callable[[yaml.SafeLoader, yaml.Node], Any]:
    def construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            text = loader.construct_scalar(node)
            return {name: str(text).split(".", 1) if name == "Fn::GetAtt" else text}
        if isinstance(node, yaml.SequenceNode):
            return {name: loader.construct_sequence(node, deep=True)}
        raise UnsupportedTemplate(f"{name} with a mapping")

    return construct


_SHORT_FORMS = {
    "!Ref": "Ref",
    **{f"!{name}": f"Fn::{name}" for name in ("Sub", "GetAtt", "If", "Equals", "Not", "Join")},
}
for _tag, _name in _SHORT_FORMS.items():
    _TemplateLoader.add_constructor(_tag, _short_form(_name))


def parse_template(text: str) -> Template:
    """Return the template in `text`; raise UnsupportedTemplate for a part that is not known."""
    try:
        document = yaml.load(text, _TemplateLoader)  # noqa: S506 a SafeLoader, see above
    except yaml.constructor.ConstructorError as error:
        raise UnsupportedTemplate(f"{error.problem}") from error
    _require_known(document, _TEMPLATE_KEYS, "the template")
    parameters = document.get("Parameters", {})
    return Template(
        defaults={name: str(one["Default"]) for name, one in parameters.items() if "Default" in one},
        parameters=frozenset(parameters),
        lists=frozenset(name for name, one in parameters.items() if one["Type"] == "CommaDelimitedList"),
        conditions=document.get("Conditions", {}),
        resources={name: _resource(name, one) for name, one in document.get("Resources", {}).items()},
        outputs={name: one["Value"] for name, one in document.get("Outputs", {}).items()},
    )


def _resource(name: str, document: dict[str, Any]) -> Resource:
    _require_known(document, _RESOURCE_KEYS, name)
    depends_on = document.get("DependsOn", [])
    names = (depends_on,) if isinstance(depends_on, str) else tuple(depends_on)
    return Resource(
        name,
        document["Type"],
        document.get("Properties", {}),
        names,
        condition=document.get("Condition", ""),
        is_kept=document.get("DeletionPolicy", "Delete") != "Delete",
    )


def _require_known(document: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(document.keys() - known)
    if unknown:
        raise UnsupportedTemplate(f"{where}: {', '.join(unknown)} is not applied by the local cloud")


def _references(value: Any) -> Iterator[str]:
    """Yield the names of parameters and resources in `value`, at any depth."""
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        if "Ref" in value:
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        elif isinstance(value.get("Fn::Sub"), str):
            yield from (name.split(".")[0] for name in SUB_REFERENCE.findall(value["Fn::Sub"]))
        for one in value.values():
            yield from _references(one)
