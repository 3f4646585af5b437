"""Roles, bucket keys and network endpoints as moto keeps them: what an evaluation of a call needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_cloud.access.policies import Policy
from local_cloud.identity import ACCOUNT_ID, REGION

_PARTITION = "aws"


class UnknownRole(Exception):
    """The role was deleted, or never existed."""


@dataclass(frozen=True)
class Role:
    """The policies of one role, inline and attached, and its trust policy."""

    policies: tuple[Policy, ...]
    trust: Policy


@dataclass(frozen=True)
class S3Endpoint:
    """The gateway endpoint by which a VPC reaches S3."""

    endpoint_id: str
    policy: Policy


def find_role(role_arn: str) -> Role:
    """Return the role as it is now; raise UnknownRole."""
    from moto.iam.models import iam_backends  # noqa: PLC0415 moto loads in half a second

    name = role_arn.rpartition("/")[2]
    roles = iam_backends[ACCOUNT_ID][_PARTITION].roles
    found = next((role for role in list(roles.values()) if role.name == name), None)
    if found is None:
        raise UnknownRole(f"the role {role_arn} does not exist")
    attached = [
        version.document
        for policy in list(found.managed_policies.values())
        for version in policy.versions
        if version.is_default
    ]
    texts = [*list(found.policies.values()), *attached]
    return Role(tuple(map(Policy.parse, texts)), Policy.parse(found.assume_role_policy_document))


def key_of_bucket(bucket: str) -> str:
    """Return the ARN of the KMS key in a bucket's default encryption; empty where it has none."""
    from moto.s3.models import s3_backends  # noqa: PLC0415 as above

    found: Any = s3_backends[ACCOUNT_ID][_PARTITION].buckets.get(bucket)
    rule = (found.encryption or {}).get("Rule", {}) if found else {}
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return str(default.get("KMSMasterKeyID", "")) if default.get("SSEAlgorithm") == "aws:kms" else ""


def s3_endpoint_of(subnet_ids: Sequence[str]) -> S3Endpoint | None:
    """Return the S3 endpoint in the VPC of these subnets; None where there is none."""
    if not subnet_ids:
        return None
    from moto.ec2.models import ec2_backends  # noqa: PLC0415 as above

    ec2: Any = ec2_backends[ACCOUNT_ID][REGION]
    vpcs = {zone[subnet].vpc_id for zone in ec2.subnets.values() for subnet in subnet_ids if subnet in zone}
    for endpoint in list(ec2.vpc_end_points.values()):
        if endpoint.vpc_id in vpcs and endpoint.service_name.endswith(".s3"):
            return S3Endpoint(endpoint.id, Policy.parse(endpoint.policy_document))
    return None
