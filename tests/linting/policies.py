"""Every IAM policy of the project as it would be deployed, printed as one JSON object for iam.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.chalice_app import filled_policy
from deploy.names import Account, Names
from deploy.settings import StageSettings
from local_cloud.cloudformation_service.scope import Scope
from local_cloud.cloudformation_service.template import parse_template

ROOT = Path(__file__).parent.parent.parent
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
NAMES = Names(
    StageSettings(
        "lint", kms_key_arn=KEY, subnet_ids=("subnet-1",), security_group_ids=("sg-1",), uploads_per_hour=20
    ),
    Account("123456789012", "us-east-1"),
)


def every_policy() -> dict[str, Any]:
    """Return the policy documents by what they belong to, options with a policy of their own switched on."""
    return {**dict(_of_functions()), **dict(_of_template("foundation")), **dict(_of_template("pipeline"))}


def _of_functions() -> Iterator[tuple[str, Any]]:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
    for name, function in config["lambda_functions"].items():
        text = (ROOT / ".chalice" / function["iam_policy_file"]).read_text(encoding="utf-8")
        yield name, filled_policy(text, NAMES, name)


def _of_template(name: str) -> Iterator[tuple[str, Any]]:
    template = parse_template((ROOT / "statemachine" / f"{name}.yaml").read_text(encoding="utf-8"))
    given = {
        **NAMES.stack_parameters,
        "SubnetIds": "subnet-1",
        "SecurityGroupIds": "sg-1",
        "IsolatedZoneA": "us-east-1a",
        "IsolatedZoneB": "us-east-1b",
        "ImageUri": "image",
        "DefinitionKey": "key",
    }
    pseudo = {"AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::Region": "us-east-1"}
    parameters = {key: value for key, value in given.items() if key in template.parameters}
    scope = Scope.of(template, parameters, pseudo)
    for resource in template.in_order():
        scope.add(resource.name, *_made(resource.name))
        properties = scope.evaluate(resource.properties)
        for kind in ("PolicyDocument", "AssumeRolePolicyDocument", "RepositoryPolicyText"):
            if kind in properties:
                yield f"{resource.name} {kind}", properties[kind]
        for policy in properties.get("Policies", []):
            yield resource.name, policy["PolicyDocument"]


def _made(name: str) -> tuple[str, dict[str, str]]:
    """Return a reference and attributes that have the shape of the kind's ARNs, where a policy names them."""
    arns = {
        "Topic": "arn:aws:sns:us-east-1:123456789012:face-blur-lint",
        "BlurFaces": "arn:aws:lambda:us-east-1:123456789012:function:face-blur-lint-blur-faces",
        "LostNotifications": "arn:aws:sqs:us-east-1:123456789012:face-blur-lint-lost-notifications",
        "ExecutionEnded": "arn:aws:events:us-east-1:123456789012:rule/face-blur-lint-execution-ended",
    }
    arn = arns.get(name, f"arn:aws:iam::123456789012:role/{name}")
    attributes = dict.fromkeys(("GroupId", "QueueName", "RepositoryUri"), name)
    return (arn if name == "Topic" else name), {"Arn": arn, **attributes}


if __name__ == "__main__":
    print(json.dumps(every_policy(), indent=2))
