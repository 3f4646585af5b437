"""Scenarios of permissions: what a deployment does with the roles, and what stolen credentials would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.objects import SourceObject
from local_cloud.cloud import LocalCloud
from local_cloud.http.access_keys import Caller
from local_cloud.http.iam_calls import STATE_MACHINE

PREFIX = "face-blur-local-"
CONTAINER_FUNCTIONS = ("plan-segments", "blur-faces", "assemble-video")
JOINS_VPC, STAYS_OUT, STAYS_INSIDE = "JoinVpc", "LeaveVpcToLambda", "StayInside"
OUTSIDER = "outsider"  # Has the credentials of a role, and is not its function.
# EC2 calls as a function would make them with its own credentials; each must be refused.
_EC2_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_network_interface", {"SubnetId": "subnet-1"}),
    ("describe_network_interfaces", {}),
    ("describe_subnets", {}),
    ("delete_network_interface", {"NetworkInterfaceId": "eni-1"}),
    ("assign_private_ip_addresses", {"NetworkInterfaceId": "eni-1"}),
    ("unassign_private_ip_addresses", {"NetworkInterfaceId": "eni-1", "PrivateIpAddresses": ["10.0.0.9"]}),
)


@dataclass(frozen=True)
class Scenario:
    """One scenario; `statements` are those it needs without a call that the cloud records: owner and Sid."""

    name: str
    run: Callable[[], Any]
    statements: frozenset[tuple[str, str]] = field(default_factory=frozenset)


class Deployments:
    """The scenarios on one deployed cloud; `kept` is an upload that is there."""

    def __init__(self, cloud: LocalCloud, kept: SourceObject) -> None:
        self._cloud = cloud
        self._kept = kept

    def every(self) -> Iterator[Scenario]:
        """Yield what a deployment does, and what stolen credentials would do."""
        logged = frozenset({(STATE_MACHINE, "DeliverLogs"), (STATE_MACHINE, "Trace")})
        yield Scenario("update of the state machine", self._update_machine, logged)
        for name in CONTAINER_FUNCTIONS:
            inside, outside = partial(self._call_ec2, name), partial(self._read_from_outside, name)
            joins = frozenset({(name, JOINS_VPC)})
            yield Scenario(f"{name}: update in the VPC", partial(self._join_vpc, name), joins)
            yield Scenario(f"{name}: EC2 from inside", inside, frozenset({(name, STAYS_OUT)}))
            yield Scenario(f"{name}: S3 from outside", outside, frozenset({(name, STAYS_INSIDE)}))

    def _update_machine(self) -> str:
        stepfunctions, arn = self._cloud.client("stepfunctions"), self._cloud.state_machine_arn
        found = stepfunctions.describe_state_machine(stateMachineArn=arn)
        kept = {name: found[name] for name in ("definition", "roleArn", "loggingConfiguration")}
        traced = {"tracingConfiguration": {"enabled": True}}
        return _refusal_of(partial(stepfunctions.update_state_machine, stateMachineArn=arn, **kept, **traced))

    def _join_vpc(self, function: str) -> str:
        functions, name = self._cloud.client("lambda"), PREFIX + function
        found = functions.get_function_configuration(FunctionName=name)["VpcConfig"]
        wanted = {key: found[key] for key in ("SubnetIds", "SecurityGroupIds")}
        return _refusal_of(
            partial(functions.update_function_configuration, FunctionName=name, VpcConfig=wanted)
        )

    def _call_ec2(self, function: str) -> list[str]:
        found = self._cloud.function(PREFIX + function)
        assert found is not None, function
        ec2 = self._cloud.client_of("ec2", found.caller)
        return [_refusal_of(partial(getattr(ec2, name), **options)) for name, options in _EC2_CALLS]

    def _read_from_outside(self, function: str) -> str:
        found = self._cloud.function(PREFIX + function)
        assert found is not None, function
        s3, source = self._cloud.client_of("s3", Caller(OUTSIDER, found.role_arn)), self._kept
        place = {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version_id}
        return _refusal_of(partial(s3.get_object, **place))


def _refusal_of(call: Callable[[], Any]) -> str:
    """Return the code by which a call is refused; nothing where it is answered."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""
