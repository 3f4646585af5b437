"""The end of a local cloud: nothing of it is left."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import boto3
import psutil
import pytest

import local_cloud.rekognition_service.api  # noqa: F401 cv2 sets a variable when it is loaded, which is no cloud's doing
from local_cloud.cloud import LocalCloud
from local_cloud.errors import PortTaken
from local_cloud.process_environment import CloudBusy
from local_cloud.settings import CloudSettings
from tests.clouds.tiny import RECORDER, TinyCloud, is_alive

# A sandbox and its child; on Linux also the server that sandboxes are forked from.
PROCESSES = 3 if sys.platform == "linux" else 2
PARENT = """
import os, subprocess, sys, time

def handler(event, context):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, flush=True)
    time.sleep(event.get("sleep_s", 0))
    return os.environ["LAMBDA_TASK_ROOT"]
"""


def test_unused_cloud_leaves_nothing(tmp_path: Path) -> None:
    """Opening and closing gives back threads and variables."""
    threads, variables = threading.active_count(), dict(os.environ)

    with LocalCloud():
        pass

    assert threading.active_count() == threads
    assert dict(os.environ) == variables
    assert list(tmp_path.iterdir()) == []


def test_no_process_is_left(tmp_path: Path) -> None:
    """Idle sandboxes end with the cloud, their children and folders too."""
    before = set(psutil.Process().children(recursive=True))

    with LocalCloud() as cloud:
        tiny = TinyCloud(cloud, tmp_path)
        tiny.deploy("parent", PARENT)
        code_folder = Path(tiny.invoke("parent").payload)
        during = set(psutil.Process().children(recursive=True)) - before

    assert len(during) == PROCESSES
    assert not any(is_alive(process) for process in during)
    assert not code_folder.exists()


def test_running_invocation_is_ended(tmp_path: Path) -> None:
    """An invocation under way does not hold the cloud up."""
    with LocalCloud() as cloud:
        tiny = TinyCloud(cloud, tmp_path)
        tiny.deploy("running", PARENT, timeout_s=60)
        caller = threading.Thread(target=tiny.invoke, args=("running", {"sleep_s": 50}))
        caller.start()
        tiny.wait_for_log("running", "child")

    caller.join(timeout=5)
    assert not caller.is_alive()
    assert psutil.Process().children(recursive=True) == []


def test_waiting_events_are_dropped(tmp_path: Path) -> None:
    """A queue of events does not hold the cloud up either."""
    with LocalCloud() as cloud:
        tiny = TinyCloud(cloud, tmp_path)
        tiny.deploy("queue", PARENT, timeout_s=60)
        client = cloud.client("lambda")
        client.invoke(FunctionName="queue", InvocationType="Event", Payload=b'{"sleep_s": 50}')
        tiny.wait_for_log("queue", "child")

    assert psutil.Process().children(recursive=True) == []


def test_next_cloud_starts_empty(tmp_path: Path) -> None:
    """The state that moto keeps in the process is emptied in between."""
    with LocalCloud() as cloud:
        TinyCloud(cloud, tmp_path).deploy("earlier", RECORDER)

    with LocalCloud() as cloud:
        functions = cloud.client("lambda").list_functions()["Functions"]

    assert functions == []


def test_keys_are_new_with_each_cloud() -> None:
    """A key from an earlier run, or an invented one, is refused."""
    with LocalCloud() as earlier:
        before = earlier.environment

    with LocalCloud() as cloud:
        after = cloud.environment
        old = (before["AWS_ACCESS_KEY_ID"], before["AWS_SECRET_ACCESS_KEY"])
        refused = [refusal(cloud, *key) for key in (old, ("testing", "testing"), ("ak", "sk"))]

    assert before["AWS_ACCESS_KEY_ID"] != after["AWS_ACCESS_KEY_ID"]
    assert before["AWS_SECRET_ACCESS_KEY"] != after["AWS_SECRET_ACCESS_KEY"]
    assert refused == ["InvalidAccessKeyId"] * 3


def refusal(cloud: LocalCloud, key_id: str, secret: str) -> str:
    """Return the code of the error that a client with this key meets."""
    s3 = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.list_buckets()
    return str(caught.value.response["Error"]["Code"])


def test_second_cloud_in_the_process_is_refused() -> None:
    """A process can open one local cloud only, as two would share moto's state."""
    with LocalCloud(), pytest.raises(CloudBusy), LocalCloud():
        pass


def test_taken_port_is_said() -> None:
    """A port that another program has is an error, and nothing stays open."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(PortTaken, match=str(port)), LocalCloud(CloudSettings(port=port)):
            pass


def test_callers_profile_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that the caller exported, even one that does not exist, is not looked at."""
    monkeypatch.setenv("AWS_PROFILE", "real-account")

    with LocalCloud() as cloud:
        buckets = cloud.client("s3").list_buckets()["Buckets"]

    assert buckets == []
