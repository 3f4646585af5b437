"""Resource types: their known properties, and the boto3 calls that make, change and delete one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.cloudformation_service.template import UnsupportedTemplate
from local_cloud.http.clients import Clients

Properties = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A resource that exists: the values of Ref and GetAtt."""

    reference: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A change of properties of an existing resource."""

    made: Made
    before: Properties
    wanted: Properties


@dataclass(frozen=True)
class ResourceKind:
    """One type of resource; without `update`, a change deletes the resource and makes it again."""

    properties: frozenset[str]
    make: Callable[[Properties, Clients], Made]
    delete: Callable[[Made, Clients], None]
    update: Callable[[Change, Clients], Made] | None = None

    def require_known(self, name: str, properties: Mapping[str, Any]) -> None:
        """Raise UnsupportedTemplate for a property that would be ignored."""
        unknown = sorted(properties.keys() - self.properties)
        if unknown:
            raise UnsupportedTemplate(f"{name}: {', '.join(unknown)} is not applied by the local cloud")

    def change(self, change: Change, clients: Clients) -> Made:
        """Apply the new properties."""
        if self.update is not None:
            return self.update(change, clients)
        self.delete(change.made, clients)
        return self.make(change.wanted, clients)


def deleting(service: str, operation: str, name: str, **options: Any) -> Callable[[Made, Clients], None]:
    """Return a function that deletes a resource by one boto3 call; parameter `name` takes its reference."""

    def delete(made: Made, clients: Clients) -> None:
        getattr(clients(service), operation)(**{name: made.reference}, **options)

    return delete
