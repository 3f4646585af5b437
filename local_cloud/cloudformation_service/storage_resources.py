"""Storage resources of a stack: buckets, the image repository, the queue, log groups."""

from __future__ import annotations

import json
from typing import Any

from local_cloud.cloudformation_service.resource_kinds import Change, Made, Properties, ResourceKind, deleting
from local_cloud.cloudformation_service.template import UnsupportedTemplate
from local_cloud.http.clients import Clients


def _make_bucket(properties: Properties, clients: Clients) -> Made:
    clients("s3").create_bucket(Bucket=properties["BucketName"])
    return _configure_bucket(properties, clients)


def _update_bucket(change: Change, clients: Clients) -> Made:
    gone = sorted(change.before.keys() - change.wanted.keys())
    if gone:
        raise UnsupportedTemplate(
            f"removing {', '.join(gone)} from a bucket is not applied by the local cloud"
        )
    return _configure_bucket(change.wanted, clients)


def _configure_bucket(properties: Properties, clients: Clients) -> Made:
    s3, name = clients("s3"), properties["BucketName"]
    if "VersioningConfiguration" in properties:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
    if "BucketEncryption" in properties:
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
            }
            for rule in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        encryption = {"Rules": rules}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption)
    if "PublicAccessBlockConfiguration" in properties:
        block = properties["PublicAccessBlockConfiguration"]
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if "OwnershipControls" in properties:
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties["OwnershipControls"])
    if "LifecycleConfiguration" in properties:
        rules = [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    return Made(name, {"Arn": f"arn:aws:s3:::{name}"})


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a lifecycle rule of a template in the format of S3's API."""
    unknown = rule.keys() - _RULE
    if unknown:
        raise UnsupportedTemplate(
            f"{', '.join(sorted(unknown))} of a lifecycle rule is not applied by the local cloud"
        )
    renamed = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        # A template parameter is text.
        renamed["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "ExpiredObjectDeleteMarker" in rule:
        renamed["Expiration"] = {"ExpiredObjectDeleteMarker": rule["ExpiredObjectDeleteMarker"]}
    for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
        if name in rule:
            renamed[name] = rule[name]
    return renamed


def _make_bucket_policy(properties: Properties, clients: Clients) -> Made:
    bucket = properties["Bucket"]
    clients("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(properties["PolicyDocument"]))
    return Made(bucket)


def _make_repository(properties: Properties, clients: Clients) -> Made:
    made = clients("ecr").create_repository(
        repositoryName=properties["RepositoryName"],
        imageTagMutability=properties.get("ImageTagMutability", "MUTABLE"),
    )["repository"]
    _configure_repository(properties, clients)
    attributes = {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}
    return Made(made["repositoryName"], attributes)


def _update_repository(change: Change, clients: Clients) -> Made:
    _configure_repository(change.wanted, clients)
    return change.made


def _configure_repository(properties: Properties, clients: Clients) -> None:
    ecr, name = clients("ecr"), properties["RepositoryName"]
    scanning = {"scanOnPush": properties.get("ImageScanningConfiguration", {}).get("ScanOnPush", False)}
    ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration=scanning)
    if "LifecyclePolicy" in properties:
        rules = properties["LifecyclePolicy"]["LifecyclePolicyText"]
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=rules)
    if "RepositoryPolicyText" in properties:
        policy = json.dumps(properties["RepositoryPolicyText"])
        ecr.set_repository_policy(repositoryName=name, policyText=policy)


def _queue_attributes(properties: Properties) -> dict[str, str]:
    named = {name: value for name, value in properties.items() if name != "QueueName"}
    return {name: str(value).lower() for name, value in named.items()}


def _make_queue(properties: Properties, clients: Clients) -> Made:
    sqs = clients("sqs")
    url = sqs.create_queue(QueueName=properties["QueueName"], Attributes=_queue_attributes(properties))
    attributes = sqs.get_queue_attributes(QueueUrl=url["QueueUrl"], AttributeNames=["QueueArn"])
    names = {"Arn": attributes["Attributes"]["QueueArn"], "QueueName": properties["QueueName"]}
    return Made(url["QueueUrl"], names)


def _update_queue(change: Change, clients: Clients) -> Made:
    attributes = _queue_attributes(change.wanted)
    clients("sqs").set_queue_attributes(QueueUrl=change.made.reference, Attributes=attributes)
    return change.made


def _make_queue_policy(properties: Properties, clients: Clients) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        clients("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Made(properties["Queues"][0])


def _leave_queue_policy(_made: Made, _clients: Clients) -> None:
    """Do nothing: the policy is deleted with its queue, or overwritten."""


def _make_log_group(properties: Properties, clients: Clients) -> Made:
    logs, name = clients("logs"), properties["LogGroupName"]
    logs.create_log_group(logGroupName=name)
    if "RetentionInDays" in properties:
        logs.put_retention_policy(logGroupName=name, retentionInDays=properties["RetentionInDays"])
    described = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return Made(name, {"Arn": described[0]["arn"]})


def _update_log_group(change: Change, clients: Clients) -> Made:
    retention = change.wanted["RetentionInDays"]
    clients("logs").put_retention_policy(logGroupName=change.made.reference, retentionInDays=retention)
    return change.made


_BUCKET = frozenset(
    {
        "BucketName",
        "VersioningConfiguration",
        "BucketEncryption",
        "PublicAccessBlockConfiguration",
        "OwnershipControls",
        "LifecycleConfiguration",
    }
)
_RULE = frozenset(
    {
        "Id",
        "Status",
        "Prefix",
        "ExpirationInDays",
        "ExpiredObjectDeleteMarker",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    }
)
_REPOSITORY = frozenset(
    {
        "RepositoryName",
        "ImageTagMutability",
        "ImageScanningConfiguration",
        "EmptyOnDelete",
        "LifecyclePolicy",
        "RepositoryPolicyText",
    }
)
STORAGE_KINDS = {
    "AWS::S3::Bucket": ResourceKind(
        _BUCKET, _make_bucket, deleting("s3", "delete_bucket", "Bucket"), _update_bucket
    ),
    "AWS::S3::BucketPolicy": ResourceKind(
        frozenset({"Bucket", "PolicyDocument"}),
        _make_bucket_policy,
        deleting("s3", "delete_bucket_policy", "Bucket"),
    ),
    "AWS::ECR::Repository": ResourceKind(
        _REPOSITORY,
        _make_repository,
        # EmptyOnDelete: the template allows its images to be deleted.
        deleting("ecr", "delete_repository", "repositoryName", force=True),
        _update_repository,
    ),
    "AWS::SQS::Queue": ResourceKind(
        frozenset({"QueueName", "MessageRetentionPeriod", "SqsManagedSseEnabled"}),
        _make_queue,
        deleting("sqs", "delete_queue", "QueueUrl"),
        _update_queue,
    ),
    "AWS::SQS::QueuePolicy": ResourceKind(
        frozenset({"Queues", "PolicyDocument"}), _make_queue_policy, _leave_queue_policy
    ),
    "AWS::Logs::LogGroup": ResourceKind(
        frozenset({"LogGroupName", "RetentionInDays"}),
        _make_log_group,
        deleting("logs", "delete_log_group", "logGroupName"),
        _update_log_group,
    ),
}
