"""Compute resources of a stack: roles, functions with their event settings, state machines."""

from __future__ import annotations

import json
import re
from typing import Any

from local_cloud.cloudformation_service.resource_kinds import Change, Made, Properties, ResourceKind, deleting
from local_cloud.cloudformation_service.template import UnsupportedTemplate
from local_cloud.http.clients import Clients

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _make_role(properties: Properties, clients: Clients) -> Made:
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    role = clients("iam").create_role(RoleName=properties["RoleName"], AssumeRolePolicyDocument=trust)["Role"]
    _put_policies(properties, clients)
    return Made(properties["RoleName"], {"Arn": role["Arn"]})


def _update_role(change: Change, clients: Clients) -> Made:
    iam, name = clients("iam"), change.made.reference
    trust = json.dumps(change.wanted["AssumeRolePolicyDocument"])
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    _put_policies(change.wanted, clients)
    for policy in _policy_names(change.before) - _policy_names(change.wanted):
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    return change.made


def _put_policies(properties: Properties, clients: Clients) -> None:
    for policy in properties.get("Policies", []):
        clients("iam").put_role_policy(
            RoleName=properties["RoleName"],
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )


def _policy_names(properties: Properties) -> set[str]:
    return {policy["PolicyName"] for policy in properties.get("Policies", [])}


def _delete_role(made: Made, clients: Clients) -> None:
    iam = clients("iam")
    for policy in iam.list_role_policies(RoleName=made.reference)["PolicyNames"]:
        iam.delete_role_policy(RoleName=made.reference, PolicyName=policy)
    iam.delete_role(RoleName=made.reference)


def _make_function(properties: Properties, clients: Clients) -> Made:
    made = clients("lambda").create_function(**_as_called(properties))
    return Made(made["FunctionName"], {"Arn": made["FunctionArn"]})


def _as_called(properties: Properties) -> Properties:
    """Return the properties with MemorySize as a number: a template parameter is text."""
    if "MemorySize" not in properties:
        return properties
    return {**properties, "MemorySize": int(properties["MemorySize"])}


def _update_function(change: Change, clients: Clients) -> Made:
    functions, name, wanted = clients("lambda"), change.made.reference, _as_called(change.wanted)
    if (wanted["Code"], wanted.get("Architectures")) != (
        change.before["Code"],
        change.before.get("Architectures"),
    ):
        architectures = {"Architectures": wanted["Architectures"]} if "Architectures" in wanted else {}
        functions.update_function_code(FunctionName=name, **wanted["Code"], **architectures)
    kept = {"FunctionName", "Code", "PackageType", "Architectures"}
    configuration = {key: value for key, value in wanted.items() if key not in kept}
    functions.update_function_configuration(FunctionName=name, **configuration)
    return change.made


def _make_event_invoke_config(properties: Properties, clients: Clients) -> Made:
    named = {key: value for key, value in properties.items() if key != "Qualifier"}
    clients("lambda").put_function_event_invoke_config(**named)
    return Made(properties["FunctionName"])


def _delete_event_invoke_config(made: Made, clients: Clients) -> None:
    functions = clients("lambda")
    try:
        functions.delete_function_event_invoke_config(FunctionName=made.reference)
    except functions.exceptions.ResourceNotFoundException:
        return  # It was deleted together with its function.


def _make_state_machine(properties: Properties, clients: Clients) -> Made:
    arn = clients("stepfunctions").create_state_machine(
        name=properties["StateMachineName"],
        type=properties.get("StateMachineType", "STANDARD"),
        **_machine(properties, clients),
    )["stateMachineArn"]
    return Made(arn, {"Arn": arn, "Name": properties["StateMachineName"]})


def _update_state_machine(change: Change, clients: Clients) -> Made:
    machine = _machine(change.wanted, clients)
    clients("stepfunctions").update_state_machine(stateMachineArn=change.made.reference, **machine)
    return change.made


def _machine(properties: Properties, clients: Clients) -> dict[str, Any]:
    location = properties["DefinitionS3Location"]
    answer = clients("s3").get_object(Bucket=location["Bucket"], Key=location["Key"])
    definition = answer["Body"].read().decode()
    substitutions = properties.get("DefinitionSubstitutions", {})
    missing = sorted(set(_PLACEHOLDER.findall(definition)) - substitutions.keys())
    if missing:
        raise UnsupportedTemplate(
            f"DefinitionSubstitutions has no {', '.join(missing)}, which the definition names"
        )
    return {
        "definition": _PLACEHOLDER.sub(lambda match: substitutions[match[1]], definition),
        "roleArn": properties["RoleArn"],
        **_logging(properties),
        "tracingConfiguration": {"enabled": properties.get("TracingConfiguration", {}).get("Enabled", False)},
    }


def _logging(properties: Properties) -> dict[str, Any]:
    configuration = properties.get("LoggingConfiguration")
    if configuration is None:
        return {}
    destinations = [
        {"cloudWatchLogsLogGroup": {"logGroupArn": one["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
        for one in configuration["Destinations"]
    ]
    return {
        "loggingConfiguration": {
            "level": configuration["Level"],
            "includeExecutionData": configuration["IncludeExecutionData"],
            "destinations": destinations,
        }
    }


_FUNCTION = frozenset(
    {
        "FunctionName",
        "Description",
        "PackageType",
        "Code",
        "ImageConfig",
        "Role",
        "Architectures",
        "MemorySize",
        "Timeout",
        "EphemeralStorage",
        "Environment",
        "VpcConfig",
    }
)
_EVENT_INVOKE = frozenset(
    {"FunctionName", "Qualifier", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"}
)
_STATE_MACHINE = frozenset(
    {
        "StateMachineName",
        "StateMachineType",
        "RoleArn",
        "DefinitionS3Location",
        "DefinitionSubstitutions",
        "LoggingConfiguration",
        "TracingConfiguration",
    }
)
FUNCTION_KINDS = {
    "AWS::IAM::Role": ResourceKind(
        frozenset({"RoleName", "AssumeRolePolicyDocument", "Policies"}),
        _make_role,
        _delete_role,
        _update_role,
    ),
    "AWS::Lambda::Function": ResourceKind(
        _FUNCTION, _make_function, deleting("lambda", "delete_function", "FunctionName"), _update_function
    ),
    "AWS::Lambda::EventInvokeConfig": ResourceKind(
        _EVENT_INVOKE, _make_event_invoke_config, _delete_event_invoke_config
    ),
    "AWS::StepFunctions::StateMachine": ResourceKind(
        _STATE_MACHINE,
        _make_state_machine,
        deleting("stepfunctions", "delete_state_machine", "stateMachineArn"),
        _update_state_machine,
    ),
}
