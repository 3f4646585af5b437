"""Resource kinds of CloudFormation as the local cloud makes them: known properties, and calls of boto3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cloud.templates import UnsupportedTemplate

Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Made:
    """A resource that exists: what Ref and GetAtt give."""

    reference: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceKind:
    """One type of resource: its known properties, and how it is made."""

    properties: frozenset[str]
    make: Callable[[dict[str, Any], Clients, Path], Made]

    def require_known(self, name: str, properties: Mapping[str, Any]) -> None:
        """Raise UnsupportedTemplate for a property that would be skipped."""
        unknown = sorted(properties.keys() - self.properties)
        if unknown:
            raise UnsupportedTemplate(f"{name}: {', '.join(unknown)} is not applied by the local cloud")


def _make_bucket(properties: dict[str, Any], clients: Clients, _folder: Path) -> Made:
    s3 = clients("s3")
    name = properties["BucketName"]
    s3.create_bucket(Bucket=name)
    if "VersioningConfiguration" in properties:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
    if "BucketEncryption" in properties:
        encryption = {"Rules": _encryption_rules(properties["BucketEncryption"])}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption)
    if "PublicAccessBlockConfiguration" in properties:
        block = properties["PublicAccessBlockConfiguration"]
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if "LifecycleConfiguration" in properties:
        rules = [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    return Made(name, {"Arn": f"arn:aws:s3:::{name}"})


def _encryption_rules(encryption: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        for rule in encryption["ServerSideEncryptionConfiguration"]
    ]


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Return CloudFormation's rule in the words of S3's own API."""
    unknown = rule.keys() - {"Id", "Status", "ExpirationInDays", "AbortIncompleteMultipartUpload"}
    if unknown:
        raise UnsupportedTemplate(f"lifecycle rule with {', '.join(sorted(unknown))}")
    renamed = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": ""}}
    if "ExpirationInDays" in rule:
        renamed["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "AbortIncompleteMultipartUpload" in rule:
        renamed["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    return renamed


def _make_repository(properties: dict[str, Any], clients: Clients, _folder: Path) -> Made:
    made = clients("ecr").create_repository(
        repositoryName=properties["RepositoryName"],
        imageTagMutability=properties.get("ImageTagMutability", "MUTABLE"),
        imageScanningConfiguration={
            "scanOnPush": properties.get("ImageScanningConfiguration", {}).get("ScanOnPush", False)
        },
    )["repository"]
    return Made(
        made["repositoryName"], {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}
    )


def _make_log_group(properties: dict[str, Any], clients: Clients, _folder: Path) -> Made:
    logs = clients("logs")
    name = properties["LogGroupName"]
    logs.create_log_group(logGroupName=name)
    if "RetentionInDays" in properties:
        logs.put_retention_policy(logGroupName=name, retentionInDays=properties["RetentionInDays"])
    described = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return Made(name, {"Arn": described[0]["arn"]})


def _make_role(properties: dict[str, Any], clients: Clients, _folder: Path) -> Made:
    iam = clients("iam")
    name = properties["RoleName"]
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    for policy in properties.get("Policies", []):
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    return Made(name, {"Arn": arn})


def _make_function(properties: dict[str, Any], clients: Clients, _folder: Path) -> Made:
    made = clients("lambda").create_function(**properties)
    return Made(made["FunctionName"], {"Arn": made["FunctionArn"]})


def _make_state_machine(properties: dict[str, Any], clients: Clients, folder: Path) -> Made:
    definition = (folder / properties["DefinitionS3Location"]).read_text(encoding="utf-8")
    filled = _fill(definition, properties.get("DefinitionSubstitutions", {}))
    made = clients("stepfunctions").create_state_machine(
        name=properties["StateMachineName"],
        definition=filled,
        roleArn=properties["RoleArn"],
        type=properties.get("StateMachineType", "STANDARD"),
        **_logging(properties),
    )
    arn = made["stateMachineArn"]
    return Made(arn, {"Arn": arn, "Name": properties["StateMachineName"]})


def _fill(definition: str, substitutions: Mapping[str, str]) -> str:
    named = set(re.findall(r"\$\{(\w+)\}", definition))
    missing = sorted(named - substitutions.keys())
    if missing:
        raise UnsupportedTemplate(f"the definition names {', '.join(missing)}, which no substitution gives")
    return re.sub(r"\$\{(\w+)\}", lambda match: substitutions[match.group(1)], definition)


def _logging(properties: dict[str, Any]) -> dict[str, Any]:
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


RESOURCE_KINDS: Mapping[str, ResourceKind] = {
    "AWS::S3::Bucket": ResourceKind(
        frozenset(
            {
                "BucketName",
                "VersioningConfiguration",
                "BucketEncryption",
                "PublicAccessBlockConfiguration",
                "LifecycleConfiguration",
            }
        ),
        _make_bucket,
    ),
    "AWS::ECR::Repository": ResourceKind(
        frozenset({"RepositoryName", "ImageTagMutability", "ImageScanningConfiguration"}), _make_repository
    ),
    "AWS::Logs::LogGroup": ResourceKind(frozenset({"LogGroupName", "RetentionInDays"}), _make_log_group),
    "AWS::IAM::Role": ResourceKind(
        frozenset({"RoleName", "AssumeRolePolicyDocument", "Policies"}), _make_role
    ),
    "AWS::Lambda::Function": ResourceKind(
        frozenset(
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
            }
        ),
        _make_function,
    ),
    "AWS::StepFunctions::StateMachine": ResourceKind(
        frozenset(
            {
                "StateMachineName",
                "StateMachineType",
                "RoleArn",
                "DefinitionS3Location",
                "DefinitionSubstitutions",
                "LoggingConfiguration",
            }
        ),
        _make_state_machine,
    ),
}
