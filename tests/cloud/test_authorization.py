"""The local cloud decides each call of a role by the policies that AWS evaluates for it."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_cloud.http.access_keys import Caller
from tests.clouds.tiny import TinyCloud

ACCOUNT = "123456789012"
BUCKET = "arn:aws:s3:::vault"
OBJECTS = f"{BUCKET}/*"
READ, LIST = ("s3:GetObject", OBJECTS), ("s3:ListBucket", BUCKET)
READ_VERSION, LIST_VERSIONS = ("s3:GetObjectVersion", OBJECTS), ("s3:ListBucketVersions", BUCKET)
GONE_VERSION = "00000000-0000-4000-8000-000000000000"
CALLS_LAMBDA = """
import boto3

def handler(event, context):
    return boto3.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
"""
HELLO = "def handler(event, context):\n    return 'hello'\n"
MACHINE = {
    "StartAt": "Call",
    "States": {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:called"},
            "End": True,
        }
    },
}


@pytest.fixture(scope="module")
def vault(tiny: TinyCloud) -> TinyCloud:
    """Return a cloud with a bucket that keeps versions, one object in it, and a function."""
    s3 = tiny.cloud.client("s3")
    s3.create_bucket(Bucket="vault")
    s3.put_bucket_versioning(Bucket="vault", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="vault", Key="kept", Body=b"content")
    tiny.deploy("called", HELLO)
    return tiny


def allowed(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return a policy that allows each action on its resource."""
    statements = [{"Effect": "Allow", "Action": action, "Resource": where, **more} for action, where in pairs]
    return {"Version": "2012-10-17", "Statement": statements}


def make_role(tiny: TinyCloud, name: str, policy: dict[str, Any], service: str = "lambda") -> str:
    """Make a role with `policy` that a service may assume, or give it that policy; return its ARN."""
    principal = {"Service": f"{service}.amazonaws.com"}
    trusted = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    iam = tiny.cloud.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    if policy["Statement"]:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    return str(made["Role"]["Arn"])


def s3_of(tiny: TinyCloud, name: str, policy: dict[str, Any]) -> Any:
    """Return an S3 client in a new role with `policy`."""
    return tiny.cloud.client_of("s3", Caller("somebody", make_role(tiny, name, policy)))


def refusal(call: Any, **request: Any) -> tuple[str, str]:
    """Return the code and the message by which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_role_without_policies_may_do_nothing(vault: TinyCloud) -> None:
    """The empty case; the refusal names user, action and object, as IAM's does."""
    s3 = s3_of(vault, "empty", allowed())

    code, message = refusal(s3.get_object, Bucket="vault", Key="kept")

    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/empty/somebody is not authorized to perform: s3:GetObject"
        f' on resource: "{BUCKET}/kept" because no identity-based policy allows the s3:GetObject action'
    )


def test_policy_counts_as_soon_as_it_is_put(vault: TinyCloud) -> None:
    """A session sees what its role may do now."""
    s3, iam = s3_of(vault, "changing", allowed(READ)), vault.cloud.client("iam")
    before = s3.get_object(Bucket="vault", Key="kept")["Body"].read()

    iam.delete_role_policy(RoleName="changing", PolicyName="own")

    assert before == b"content"
    assert refusal(s3.get_object, Bucket="vault", Key="kept")[0] == "AccessDenied"


def test_attached_policy_counts_too(vault: TinyCloud) -> None:
    """Managed policies are read in their default version."""
    s3, iam = s3_of(vault, "attached", allowed()), vault.cloud.client("iam")
    made = iam.create_policy(PolicyName="reading", PolicyDocument=json.dumps(allowed(READ)))["Policy"]

    iam.attach_role_policy(RoleName="attached", PolicyArn=made["Arn"])

    assert s3.get_object(Bucket="vault", Key="kept")["Body"].read() == b"content"


@pytest.mark.parametrize(
    ("name", "pairs", "request_more", "code"),
    [
        ("key", [READ], {}, "AccessDenied"),
        ("key-listed", [READ, LIST], {}, "NoSuchKey"),
        ("version", [READ_VERSION], {"VersionId": GONE_VERSION}, "AccessDenied"),
        ("version-half", [READ_VERSION, LIST], {"VersionId": GONE_VERSION}, "AccessDenied"),
        ("version-listed", [READ_VERSION, LIST, LIST_VERSIONS], {"VersionId": GONE_VERSION}, "NoSuchVersion"),
    ],
)
def test_missing_object_is_hidden_from_who_may_not_list(
    vault: TinyCloud, name: str, pairs: list[tuple[str, str]], request_more: dict[str, str], code: str
) -> None:
    """S3 answers 403 in place of 404."""
    s3 = s3_of(vault, name, allowed(*pairs))
    key = {"key": "gone", "key-listed": "gone"}.get(name, "kept")

    assert refusal(s3.get_object, Bucket="vault", Key=key, **request_more)[0] == code


def test_prefix_of_a_list_is_a_condition(vault: TinyCloud) -> None:
    """A list without the prefix is refused."""
    policy = allowed(LIST, Condition={"StringLike": {"s3:prefix": "ke*"}})
    s3 = s3_of(vault, "prefix", policy)

    assert s3.list_objects_v2(Bucket="vault", Prefix="kept")["KeyCount"] == 1
    assert refusal(s3.list_objects_v2, Bucket="vault")[0] == "AccessDenied"
    assert refusal(s3.list_object_versions, Bucket="vault", Prefix="kept")[0] == "AccessDenied"


def test_buckets_policy_allows_and_denies(vault: TinyCloud) -> None:
    """One of both policies must allow, neither may deny."""
    s3, owner = s3_of(vault, "guest", allowed()), vault.cloud.client("s3")
    owner.create_bucket(Bucket="shared")
    owner.put_object(Bucket="shared", Key="a", Body=b"a")
    owner.put_object(Bucket="shared", Key="b", Body=b"b")
    guest = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/guest"}
    objects = "arn:aws:s3:::shared/*"
    policy = allowed(("s3:GetObject", objects), Principal=guest)
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::shared/b"}

    owner.put_bucket_policy(
        Bucket="shared", Policy=json.dumps({**policy, "Statement": [*policy["Statement"], denial]})
    )

    assert s3.get_object(Bucket="shared", Key="a")["Body"].read() == b"a"
    assert "explicit deny in a resource-based policy" in refusal(s3.get_object, Bucket="shared", Key="b")[1]


def test_account_in_a_buckets_policy_leaves_the_choice_to_its_roles(vault: TinyCloud) -> None:
    """To allow the account is no permission of a role, to deny it is a denial."""
    owner, root = vault.cloud.client("s3"), {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    owner.create_bucket(Bucket="delegated")
    owner.put_object(Bucket="delegated", Key="a", Body=b"a")
    objects = ("s3:GetObject", "arn:aws:s3:::delegated/*")
    bare, trusted = s3_of(vault, "bare", allowed()), s3_of(vault, "trusted", allowed(objects))

    owner.put_bucket_policy(Bucket="delegated", Policy=json.dumps(allowed(objects, Principal=root)))
    allowing = refusal(bare.get_object, Bucket="delegated", Key="a")[1]
    denial = {"Effect": "Deny", "Principal": root, "Action": "s3:*", "Resource": objects[1]}
    owner.put_bucket_policy(Bucket="delegated", Policy=json.dumps({"Statement": [denial]}))

    assert "no identity-based policy" in allowing
    assert "explicit deny" in refusal(trusted.get_object, Bucket="delegated", Key="a")[1]


@pytest.mark.parametrize("session", ["person", "interpreter"])
def test_session_is_limited_whatever_it_is_called(vault: TinyCloud, session: str) -> None:
    """An operator is who has an operator's key, not who takes the name."""
    role = make_role(vault, f"named-{session}", allowed())
    key = vault.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    s3 = boto3.client(
        "s3",
        endpoint_url=vault.cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
    )

    assert refusal(s3.get_object, Bucket="vault", Key="kept")[0] == "AccessDenied"


def test_plain_http_of_this_machine_stands_for_tls(vault: TinyCloud) -> None:
    """The stage's buckets deny everything else."""
    s3, owner = s3_of(vault, "encrypted", allowed(("s3:GetObject", "*"))), vault.cloud.client("s3")
    owner.create_bucket(Bucket="tls")
    owner.put_object(Bucket="tls", Key="a", Body=b"a")
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::tls/*"}
    condition = {"Bool": {"aws:SecureTransport": "false"}}

    policy = {"Statement": [{**denial, "Condition": condition}]}
    owner.put_bucket_policy(Bucket="tls", Policy=json.dumps(policy))

    assert s3.get_object(Bucket="tls", Key="a")["Body"].read() == b"a"


def test_bucket_with_a_key_needs_the_permission_for_it(vault: TinyCloud) -> None:
    """S3 names the action of KMS in its refusal; to read and to write are two."""
    owner, key = vault.cloud.client("s3"), vault.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    owner.create_bucket(Bucket="locked")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    owner.put_bucket_encryption(Bucket="locked", ServerSideEncryptionConfiguration={"Rules": [rule]})
    owner.put_object(Bucket="locked", Key="a", Body=b"a")
    of_s3 = [("s3:GetObject", "arn:aws:s3:::locked/*"), ("s3:PutObject", "arn:aws:s3:::locked/*")]
    bare = s3_of(vault, "keyless", allowed(*of_s3))
    reader = s3_of(vault, "reader", allowed(*of_s3, ("kms:Decrypt", key)))

    assert "kms:Decrypt" in refusal(bare.get_object, Bucket="locked", Key="a")[1]
    assert "kms:GenerateDataKey" in refusal(reader.put_object, Bucket="locked", Key="a", Body=b"")[1]
    assert reader.get_object(Bucket="locked", Key="a")["Body"].read() == b"a"
    assert bare.head_object(Bucket="locked", Key="a")["ContentLength"] == 1


def test_copy_needs_to_read_its_source(vault: TinyCloud) -> None:
    """The same call writes the target."""
    s3 = s3_of(vault, "copier", allowed(("s3:PutObject", OBJECTS)))
    source = {"Bucket": "vault", "Key": "kept"}

    _, message = refusal(s3.copy_object, Bucket="vault", Key="copy", CopySource=source)

    assert "s3:GetObject on resource" in message


def test_element_that_is_not_evaluated_refuses_the_call(vault: TinyCloud) -> None:
    """It is never ignored; the message names it."""
    s3 = s3_of(vault, "exotic", allowed(READ, Condition={"DateLessThan": {"aws:CurrentTime": "2030"}}))

    _, message = refusal(s3.get_object, Bucket="vault", Key="kept")

    assert "the condition operator DateLessThan is not evaluated" in message


def test_function_calls_with_the_permissions_of_its_role(vault: TinyCloud) -> None:
    """The role any of these tests allows nothing but logs."""
    vault.deploy("curious", CALLS_LAMBDA)

    answer = vault.invoke("curious")

    told = answer.payload["errorMessage"]
    assert "assumed-role/any/curious is not authorized to perform: lambda:GET" in told


def test_function_whose_role_may_not_log_runs_and_leaves_no_log(vault: TinyCloud) -> None:
    """As in Lambda, nobody is told but the operator of the local cloud."""
    vault.deploy("silent", HELLO)
    role = make_role(vault, "mute", allowed())
    vault.cloud.client("lambda").update_function_configuration(FunctionName="silent", Role=role)

    assert vault.invoke("silent").payload == "hello"
    assert vault.log_messages("silent") == []


def test_role_must_trust_its_service(vault: TinyCloud) -> None:
    """A role for Step Functions is none for Lambda."""
    vault.deploy("untrusted", CALLS_LAMBDA)
    role = make_role(vault, "of-states", allowed(("*", "*")), "states")
    vault.cloud.client("lambda").update_function_configuration(FunctionName="untrusted", Role=role)

    answer = vault.invoke("untrusted")

    assert "role/of-states does not trust lambda.amazonaws.com" in answer.payload["errorMessage"]


@pytest.mark.parametrize(
    ("name", "policy", "status", "error"),
    [
        ("idle", allowed(), "FAILED", "Lambda.AccessDeniedException"),
        ("calling", allowed(("lambda:InvokeFunction", "*")), "SUCCEEDED", ""),
    ],
)
def test_state_machine_calls_with_the_permissions_of_its_role(
    vault: TinyCloud, name: str, policy: dict[str, Any], status: str, error: str
) -> None:
    """Moto's interpreter signs with a session of the machine's role."""
    stepfunctions = vault.cloud.client("stepfunctions")
    role = make_role(vault, name, policy, "states")
    arn = stepfunctions.create_state_machine(name=name, roleArn=role, definition=json.dumps(MACHINE))

    started = stepfunctions.start_execution(stateMachineArn=arn["stateMachineArn"])

    ended = vault.ended(started["executionArn"])
    assert (ended["status"], ended.get("error", "")) == (status, error)


@pytest.mark.parametrize(
    ("more", "lacking"),
    [
        ({"tracingConfiguration": {"enabled": True}}, "xray:PutTraceSegments"),
        ({"loggingConfiguration": {"level": "ALL", "destinations": []}}, "logs:CreateLogDelivery"),
    ],
    ids=["traces", "logs"],
)
def test_machine_whose_role_may_not_log_or_trace_is_refused(
    vault: TinyCloud, more: dict[str, Any], lacking: str
) -> None:
    """At its creation, where AWS checks log delivery."""
    role = make_role(vault, f"no-{lacking.partition(':')[0]}", allowed(), "states")
    create = vault.cloud.client("stepfunctions").create_state_machine

    code, message = refusal(create, name="refused", roleArn=role, definition=json.dumps(MACHINE), **more)

    assert code == "AccessDeniedException"
    assert lacking in message


def test_function_whose_role_may_not_join_a_vpc_is_refused(vault: TinyCloud) -> None:
    """Lambda makes the network interfaces with the role's permissions."""
    vault.deploy("outside", HELLO)
    subnet = vault.cloud.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    update = vault.cloud.client("lambda").update_function_configuration

    code, message = refusal(
        update, FunctionName="outside", VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": ["sg-1"]}
    )

    assert code == "InvalidParameterValueException"
    assert "does not have permissions to call CreateNetworkInterface" in message
