"""Stacks: a CloudFormation template applied through boto3, as moto's own drops images and substitutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local_cloud.resources import RESOURCE_KINDS
from local_cloud.sandbox_environment import ACCOUNT_ID, REGION
from local_cloud.templates import Scope, UnsupportedTemplate, read_template

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}


def apply_stack(path: Path, parameters: Mapping[str, str], client: Callable[[str], Any]) -> None:
    """Create every resource of the template in `path`; raise UnsupportedTemplate first."""
    template = read_template(path)
    _require_parameters(path.name, template.parameters, template.defaults, parameters)
    ordered = template.in_order()
    for resource in ordered:
        if resource.kind not in RESOURCE_KINDS:
            raise UnsupportedTemplate(f"{resource.name}: {resource.kind} is not applied by the local cloud")
        RESOURCE_KINDS[resource.kind].require_known(resource.name, resource.properties)
    scope = Scope({**template.defaults, **parameters, **_PSEUDO_PARAMETERS})
    for resource in ordered:
        properties = scope.evaluate(resource.properties)
        made = RESOURCE_KINDS[resource.kind].make(properties, client, template.folder)
        scope.add(resource.name, made.reference, made.attributes)


def _require_parameters(
    name: str, known: frozenset[str], defaults: Mapping[str, str], given: Mapping[str, str]
) -> None:
    missing = sorted(known - defaults.keys() - given.keys())
    unknown = sorted(given.keys() - known)
    if missing or unknown:
        raise UnsupportedTemplate(f"{name}: parameters missing {missing}, unknown {unknown}")
