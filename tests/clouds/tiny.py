"""A local cloud with tiny functions of the tests' own, and what those functions received."""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import psutil

from local_cloud.cloud import LocalCloud
from local_cloud.lambda_service.invocations import LostEvent

PATIENCE_S = 60.0
# What Lambda needs to write a function's log, whose group it makes itself here.
_LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
RECORDER = """
import json, os, pathlib, uuid

def handler(event, context):
    folder = pathlib.Path(os.environ["FOLDER"])
    partial = folder / f"{uuid.uuid4()}.partial"
    partial.write_text(json.dumps(event))
    partial.rename(partial.with_suffix(".json"))
"""


@dataclass(frozen=True)
class FunctionAnswer:
    """What Invoke answered."""

    payload: Any
    function_error: str


@dataclass(frozen=True)
class Watch:
    """A notification of a bucket: which keys, and which events."""

    suffix: str = ""
    prefix: str = ""
    events: list[str] = field(default_factory=lambda: ["s3:ObjectCreated:*"])


class TinyCloud:
    """A local cloud, seen by its clients."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        self._role_arn = self.make_role("any", "lambda", _LOGS)

    def make_role(self, name: str, service: str, actions: list[str]) -> str:
        """Make a role that `service` may assume, which allows `actions` everywhere; return its ARN."""
        iam = self.cloud.client("iam")
        trust = {"Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_allowing(trust))
        policy = _allowing({"Action": actions, "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
        return str(made["Role"]["Arn"])

    def deploy(
        self, name: str, code: str, *, timeout_s: int = 5, memory_mb: int = 256, handler: str = "tiny.handler"
    ) -> str:
        """Deploy `code` as `name` and return its ARN."""
        folder = self._folder / name
        folder.mkdir()
        made = self.cloud.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=self._role_arn,
            Handler=handler,
            Code={"ZipFile": zipped(code)},
            Timeout=timeout_s,
            MemorySize=memory_mb,
            Environment={"Variables": {"FOLDER": str(folder)}},
        )
        return str(made["FunctionArn"])

    def folder(self, name: str) -> Path:
        """Return where the function `name` leaves its files."""
        return self._folder / name

    def invoke(self, name: str, event: Any = None) -> FunctionAnswer:
        """Invoke `name` and wait for its answer."""
        answer = self.cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
        with answer["Payload"] as body:
            return FunctionAnswer(json.loads(body.read()), answer.get("FunctionError", ""))

    def watched_bucket(self, name: str, watch: Watch) -> str:
        """Make a bucket that tells a recorder of the same name, and return the recorder's ARN."""
        self.cloud.client("s3").create_bucket(Bucket=name)
        arn = self.deploy(name, RECORDER)
        self.watch(name, arn, watch)
        return arn

    def watch(self, bucket: str, function_arn: str, watch: Watch) -> None:
        """Make `bucket` tell a function."""
        rules = [{"Name": "prefix", "Value": watch.prefix}, {"Name": "suffix", "Value": watch.suffix}]
        self.cloud.client("s3").put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "LambdaFunctionConfigurations": [
                    {
                        "LambdaFunctionArn": function_arn,
                        "Events": watch.events,
                        "Filter": {"Key": {"FilterRules": [rule for rule in rules if rule["Value"]]}},
                    }
                ]
            },
        )

    def upload(self, bucket: str, key: str, body: bytes = b"video") -> dict[str, Any]:
        """Put an object."""
        answer: dict[str, Any] = self.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return answer

    def received(self, name: str, count: int) -> list[dict[str, Any]]:
        """Return the records of the recorder `name`, a moment after there are `count`."""
        self.wait_for(name, count)
        time.sleep(0.1)
        texts = [path.read_text() for path in (self._folder / name).glob("*.json")]
        return [record for text in texts for record in json.loads(text)["Records"]]

    def received_keys(self, name: str, count: int) -> list[str]:
        """Return the decoded keys in those records, sorted."""
        records = self.received(name, count)
        return sorted(unquote_plus(record["s3"]["object"]["key"]) for record in records)

    def wait_for(self, name: str, count: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until `name` has left `count` files."""
        deadline_s = time.monotonic() + patience_s
        while len(list((self._folder / name).glob("*.json"))) < count:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{name} did not receive {count} events")
            time.sleep(0.02)

    def lost_events(self) -> list[LostEvent]:
        """Return the events that were lost, once there are any."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.cloud.lost_events and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return self.cloud.lost_events

    def ended(self, execution_arn: str) -> dict[str, Any]:
        """Return the description of an execution once it has ended."""
        stepfunctions, deadline_s = self.cloud.client("stepfunctions"), time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            described: dict[str, Any] = stepfunctions.describe_execution(executionArn=execution_arn)
            if described["status"] != "RUNNING":
                return described
            time.sleep(0.05)
        raise TimeoutError(f"{execution_arn} has not ended")

    def log_messages(self, name: str) -> list[str]:
        """Return what `name` logged so far."""
        logs = self.cloud.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events]

    def wait_for_log(self, name: str, text: str) -> None:
        """Wait until `name` has logged a line with `text`."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not any(text in message for message in self.log_messages(name)):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{name} did not log {text}")
            time.sleep(0.05)


def _allowing(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def zipped(code: str) -> bytes:
    """Return a deployment package that holds `code` as tiny.py."""
    archive, entry = io.BytesIO(), zipfile.ZipInfo("tiny.py")
    entry.external_attr = 0o644 << 16
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr(entry, code)
    return archive.getvalue()


def is_alive(process: psutil.Process) -> bool:
    """Return whether `process` runs; an ended one that its parent has not looked at does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
