"""What a kind of resource is: its known properties, and how one is made, changed and deleted by boto3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.cloudformation_service.template import UnsupportedTemplate
from local_cloud.http.clients import Clients

Properties = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A resource that exists: what Ref and GetAtt give."""

    reference: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A resource that stays and gets other properties."""

    made: Made
    before: Properties
    wanted: Properties


@dataclass(frozen=True)
class ResourceKind:
    """One type of resource; one without `update` is deleted and made anew under its name."""

    properties: frozenset[str]
    make: Callable[[Properties, Clients], Made]
    delete: Callable[[Made, Clients], None]
    update: Callable[[Change, Clients], Made] | None = None

    def require_known(self, name: str, properties: Mapping[str, Any]) -> None:
        """Raise UnsupportedTemplate for a property that would be skipped."""
        unknown = sorted(properties.keys() - self.properties)
        if unknown:
            raise UnsupportedTemplate(f"{name}: {', '.join(unknown)} is not applied by the local cloud")

    def change(self, change: Change, clients: Clients) -> Made:
        """Give the resource its new properties."""
        if self.update is not None:
            return self.update(change, clients)
        self.delete(change.made, clients)
        return self.make(change.wanted, clients)
