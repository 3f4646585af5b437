"""Stacks: CloudFormation templates applied through boto3, as moto's own drops images and substitutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.cloudformation_service.compute_resources import FUNCTION_KINDS
from local_cloud.cloudformation_service.monitoring_resources import SIGNAL_KINDS
from local_cloud.cloudformation_service.network_resources import NETWORK_KINDS
from local_cloud.cloudformation_service.resource_kinds import Change, Made, ResourceKind
from local_cloud.cloudformation_service.scope import Scope
from local_cloud.cloudformation_service.storage_resources import STORAGE_KINDS
from local_cloud.cloudformation_service.template import Resource, Template, UnsupportedTemplate
from local_cloud.http.clients import Clients
from local_cloud.identity import ACCOUNT_ID, REGION

RESOURCE_KINDS: Mapping[str, ResourceKind] = {
    **STORAGE_KINDS,
    **NETWORK_KINDS,
    **FUNCTION_KINDS,
    **SIGNAL_KINDS,
}
_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True)
class StackResource:
    """A resource that a stack made, with the properties it was given last."""

    kind: str
    properties: dict[str, Any]
    made: Made
    is_kept: bool = False


@dataclass
class StackResources:
    """The resources of one stack in the order in which they were made, and its outputs."""

    made: dict[str, StackResource] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def apply(self, template: Template, parameters: Mapping[str, str], clients: Clients) -> None:
        """Make what is missing, change what differs, delete what the template does not name any more."""
        wanted = understood(template, parameters)
        scope = Scope.of(template, parameters, _PSEUDO_PARAMETERS)
        for resource in wanted:
            made = self._put(resource, scope.evaluate(resource.properties), clients)
            scope.add(resource.name, made.reference, made.attributes)
        self._drop(self.made.keys() - {resource.name for resource in wanted}, clients)
        self.outputs = {name: str(scope.evaluate(value)) for name, value in template.outputs.items()}

    def delete(self, clients: Clients, *, with_kept: bool = False) -> None:
        """Delete every resource, the last one first; those that their template keeps only `with_kept`."""
        for name in reversed(list(self.made)):
            if with_kept or not self.made[name].is_kept:
                self._delete(name, clients)
            del self.made[name]

    def _put(self, resource: Resource, properties: dict[str, Any], clients: Clients) -> Made:
        kind, before = RESOURCE_KINDS[resource.kind], self.made.get(resource.name)
        if before is None:
            made = kind.make(properties, clients)
        elif before.properties == properties:
            made = before.made
        else:
            made = kind.change(Change(before.made, before.properties, properties), clients)
        self.made[resource.name] = StackResource(resource.kind, properties, made, resource.is_kept)
        return made

    def _drop(self, names: set[str], clients: Clients) -> None:
        for name in [one for one in reversed(list(self.made)) if one in names]:
            if not self.made[name].is_kept:
                self._delete(name, clients)
            del self.made[name]

    def _delete(self, name: str, clients: Clients) -> None:
        resource = self.made[name]
        RESOURCE_KINDS[resource.kind].delete(resource.made, clients)


def understood(template: Template, parameters: Mapping[str, str]) -> list[Resource]:
    """Return the resources whose condition holds, in order; raise UnsupportedTemplate for an unknown part."""
    _require_parameters(template, parameters)
    scope = Scope.of(template, parameters, _PSEUDO_PARAMETERS)
    ordered = [one for one in template.in_order() if scope.holds(one.condition)]
    for resource in ordered:
        if resource.kind not in RESOURCE_KINDS:
            raise UnsupportedTemplate(f"{resource.name}: {resource.kind} is not applied by the local cloud")
        RESOURCE_KINDS[resource.kind].require_known(resource.name, resource.properties)
    return ordered


def planned(
    template: Template, parameters: Mapping[str, str], before: StackResources
) -> list[tuple[str, str, str]]:
    """Return what applying would do: (Add, Modify or Remove; name; type) for each resource concerned."""
    wanted = understood(template, parameters)
    scope = Scope.of(template, parameters, _PSEUDO_PARAMETERS)
    changes: list[tuple[str, str, str]] = []
    for resource in wanted:
        known = before.made.get(resource.name)
        made = known.made if known else _made_later(resource.name)
        if known is None:
            changes.append(("Add", resource.name, resource.kind))
        elif scope.evaluate(resource.properties) != known.properties:
            changes.append(("Modify", resource.name, resource.kind))
        scope.add(resource.name, made.reference, made.attributes)
    gone = before.made.keys() - {resource.name for resource in wanted}
    return changes + [("Remove", name, before.made[name].kind) for name in sorted(gone)]


def _made_later(name: str) -> Made:
    attributes = ("Arn", "GroupId", "Name", "RepositoryUri", "TopicArn", "TopicName")
    return Made(f"(made later: {name})", {one: f"(made later: {name}.{one})" for one in attributes})


def _require_parameters(template: Template, given: Mapping[str, str]) -> None:
    missing = sorted(template.parameters - template.defaults.keys() - given.keys())
    unknown = sorted(given.keys() - template.parameters)
    if missing or unknown:
        raise UnsupportedTemplate(f"parameters missing {missing}, unknown {unknown}")
