"""Applies CloudFormation templates through boto3: moto's own version drops images and substitutions."""

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
    """A resource that a stack made, and its current properties."""

    kind: str
    properties: dict[str, Any]
    made: Made
    is_kept: bool = False


@dataclass
class StackResources:
    """The resources of one stack in the order in which it made them, and its outputs."""

    made: dict[str, StackResource] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def apply(self, template: Template, parameters: Mapping[str, str], clients: Clients) -> None:
        """Make missing resources, change different ones, delete those that the template no longer names."""
        wanted = understood(template, parameters)
        scope = Scope.of(template, parameters, _PSEUDO_PARAMETERS)
        for resource in wanted:
            made = self._put(resource, scope.evaluate(resource.properties), clients)
            scope.add(resource.name, made.reference, made.attributes)
        named = {resource.name for resource in wanted}
        for name in [one for one in reversed(list(self.made)) if one not in named]:
            self._drop(name, clients, keep=self.made[name].is_kept)
        self.outputs = {name: str(scope.evaluate(value)) for name, value in template.outputs.items()}

    def delete(self, clients: Clients, *, with_kept: bool = False) -> None:
        """Delete every resource, newest first; resources with a DeletionPolicy only if `with_kept`."""
        for name in reversed(list(self.made)):
            self._drop(name, clients, keep=self.made[name].is_kept and not with_kept)

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

    def _drop(self, name: str, clients: Clients, *, keep: bool) -> None:
        """Forget a resource, and delete it unless it is to be kept."""
        resource = self.made[name]
        if not keep:
            RESOURCE_KINDS[resource.kind].delete(resource.made, clients)
        del self.made[name]


def understood(template: Template, parameters: Mapping[str, str]) -> list[Resource]:
    """Return the resources whose condition is true, in order; raise UnsupportedTemplate for unknown parts."""
    missing = sorted(template.parameters - template.defaults.keys() - parameters.keys())
    unknown = sorted(parameters.keys() - template.parameters)
    if missing or unknown:
        raise UnsupportedTemplate(f"parameters missing {missing}, unknown {unknown}")
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
    """Return the changes that applying would make, each as (Add, Modify or Remove; name; type)."""
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
    """Return placeholders for the Ref and GetAtt of a resource that does not exist yet."""
    attributes = ("Arn", "GroupId", "Name", "QueueName", "RepositoryUri", "TopicArn", "TopicName")
    return Made(f"(made later: {name})", {one: f"(made later: {name}.{one})" for one in attributes})
