"""The app's roles that a `chalice deploy` made before it broke off, and that no function uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deploy.names import Names


def delete_left_roles(iam: Any, names: Names, functions: Iterable[str]) -> list[str]:
    """Delete the roles of `functions`, which are gone; return the names of those that were left.

    chalice names a role as its function, makes it first, and deletes only what its record names.
    """
    roles = [names.function(function) for function in functions]
    return [role for role in roles if _delete(iam, role)]


def _delete(iam: Any, role: str) -> bool:
    """Delete the role with its policies; return whether there was one."""
    try:
        inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    except iam.exceptions.NoSuchEntityException:
        return False
    for name in inline:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    for policy in attached:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=role)
    return True
