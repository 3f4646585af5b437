"""Lint the IAM policies on standard input with parliament; run by the interpreter of .venv-lint.

Trust and resource policies are left to checkov and cfn-lint: parliament knows policies of identities only.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from parliament import analyze_policy_string

# Findings that stay, each with its reason.
ACCEPTED = {
    ("PlanSegmentsRole", "RESOURCE_STAR"): "Lambda checks these on every resource before it joins a VPC",
    ("BlurFacesRole", "RESOURCE_STAR"): "the same",
    ("AssembleVideoRole", "RESOURCE_STAR"): "the same",
    (
        "PlanSegmentsRole",
        "UNKNOWN_CONDITION_FOR_ACTION",
    ): "Lambda gives lambda:SourceFunctionArn to every service",
    ("BlurFacesRole", "UNKNOWN_CONDITION_FOR_ACTION"): "the same",
    ("AssembleVideoRole", "UNKNOWN_CONDITION_FOR_ACTION"): "the same",
    ("StateMachineRole", "PERMISSIONS_MANAGEMENT_ACTIONS"): "how Step Functions sets up its log delivery",
}


def main() -> int:
    """Print each finding and return 1 where there is one."""
    policies: dict[str, Any] = json.load(sys.stdin)
    identities = {name: one for name, one in policies.items() if " " not in name}
    found = [line for name, policy in identities.items() for line in _findings(name, policy)]
    for line in found:
        print(line)
    print(f"parliament: {len(identities)} policies, {len(found)} findings")
    return 1 if found or not identities else 0


def _findings(name: str, policy: dict[str, Any]) -> list[str]:
    analysed = analyze_policy_string(json.dumps(policy), include_community_auditors=True)
    return [
        f"{name}: {one.issue} {one.detail} {one.location}"
        for one in analysed.findings
        if (name, one.issue) not in ACCEPTED
    ]


if __name__ == "__main__":
    sys.exit(main())
