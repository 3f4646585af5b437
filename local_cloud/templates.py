"""CloudFormation templates as values: the YAML, its parameters, intrinsics, and the order of resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

_SUB_REFERENCE = re.compile(r"\$\{([^!}][^}]*)\}")
_TEMPLATE_KEYS = {"AWSTemplateFormatVersion", "Description", "Parameters", "Resources", "Outputs"}
_RESOURCE_KEYS = {"Type", "Properties", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy"}


class UnsupportedTemplate(Exception):
    """The template says something that is not applied here; nothing of it is skipped."""


@dataclass(frozen=True)
class Resource:
    """One resource of a template, its intrinsics not yet evaluated."""

    name: str
    kind: str
    properties: dict[str, Any]
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """One template file."""

    folder: Path
    defaults: dict[str, str]
    parameters: frozenset[str]
    resources: dict[str, Resource] = field(default_factory=dict)

    def in_order(self) -> list[Resource]:
        """Return the resources, each after those it names."""
        graph = {name: self._needs(resource) for name, resource in self.resources.items()}
        try:
            return [self.resources[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            raise UnsupportedTemplate(f"resources wait for each other: {error.args[1]}") from error

    def _needs(self, resource: Resource) -> list[str]:
        named = {*_references(resource.properties), *resource.depends_on}
        return sorted(name for name in named if name in self.resources)


class _TemplateLoader(yaml.SafeLoader):
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


for _tag, _name in {"!Ref": "Ref", "!Sub": "Fn::Sub", "!GetAtt": "Fn::GetAtt"}.items():
    _TemplateLoader.add_constructor(_tag, _short_form(_name))


def read_template(path: Path) -> Template:
    """Return the template in `path`; raise UnsupportedTemplate for what is not understood."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _TemplateLoader)  # noqa: S506 a SafeLoader, see above
    except yaml.constructor.ConstructorError as error:
        raise UnsupportedTemplate(f"{path.name}: {error.problem}") from error
    _require_known(document, _TEMPLATE_KEYS, path.name)
    parameters = document.get("Parameters", {})
    return Template(
        folder=path.parent,
        defaults={name: str(one["Default"]) for name, one in parameters.items() if "Default" in one},
        parameters=frozenset(parameters),
        resources={name: _resource(name, one) for name, one in document.get("Resources", {}).items()},
    )


def _resource(name: str, document: dict[str, Any]) -> Resource:
    _require_known(document, _RESOURCE_KEYS, name)
    depends_on = document.get("DependsOn", [])
    names = (depends_on,) if isinstance(depends_on, str) else tuple(depends_on)
    return Resource(name, document["Type"], document.get("Properties", {}), names)


def _require_known(document: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(document.keys() - known)
    if unknown:
        raise UnsupportedTemplate(f"{where}: {', '.join(unknown)} is not applied by the local cloud")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        yield from _own_reference(value)
        for one in value.values():
            yield from _references(one)


def _own_reference(value: dict[str, Any]) -> Iterator[str]:
    if "Ref" in value:
        yield value["Ref"]
    elif "Fn::GetAtt" in value:
        yield value["Fn::GetAtt"][0]
    elif isinstance(value.get("Fn::Sub"), str):
        yield from (name.split(".")[0] for name in _SUB_REFERENCE.findall(value["Fn::Sub"]))


class Scope:
    """What names mean while a template is applied: parameters, pseudo parameters, resources made so far."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._attributes: dict[str, str] = {}

    def add(self, name: str, reference: str, attributes: Mapping[str, str]) -> None:
        """Note the resource `name`: its Ref, and what GetAtt gives."""
        self._values[name] = reference
        self._attributes.update({f"{name}.{key}": value for key, value in attributes.items()})

    def evaluate(self, value: Any) -> Any:
        """Return `value` with every intrinsic replaced; raise UnsupportedTemplate for an unknown one."""
        if isinstance(value, list):
            return [self.evaluate(one) for one in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                return self._reference(argument)
            if name == "Fn::Sub":
                return self._substitute(argument)
            if name == "Fn::GetAtt":
                return self._attribute(".".join(argument))
            if str(name).startswith("Fn::"):
                raise UnsupportedTemplate(f"{name} is not applied by the local cloud")
        return {name: self.evaluate(one) for name, one in value.items()}

    def _substitute(self, text: Any) -> str:
        if not isinstance(text, str):
            raise UnsupportedTemplate("Fn::Sub with a map of variables is not applied by the local cloud")
        filled = _SUB_REFERENCE.sub(lambda match: self._named(match.group(1)), text)
        return filled.replace("${!", "${")

    def _named(self, name: str) -> str:
        return self._attribute(name) if "." in name and "::" not in name else self._reference(name)

    def _reference(self, name: str) -> str:
        if name not in self._values:
            raise UnsupportedTemplate(f"{name} names no parameter and no resource")
        return self._values[name]

    def _attribute(self, name: str) -> str:
        if name not in self._attributes:
            raise UnsupportedTemplate(f"GetAtt {name} is not known to the local cloud")
        return self._attributes[name]
