"""The image for real: built by docker or podman, run as Lambda runs it; by `make test-image`."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract.job import Job
from deploy.container_engine import CommandEngine, find_engine
from deploy.errors import NoEngine
from deploy.image import ImageSource, base_name, build_image
from deploy.settings import StageSettings
from local_cloud.cloud import LocalCloud
from tests.checks.readback import audio_packets, video_times
from tests.clips.portraits import make_portrait_clip, standing
from tests.end_to_end.conftest import ROOT, Pipeline

HANDLER = "blur_container.handler.blur_faces"
PATIENCE_S = 60
# As Lambda: nothing but /tmp can be written, nobody is root, memory and processes end somewhere.
LIMITS = (
    "--read-only",
    *("--tmpfs", "/tmp:rw,size=512m,mode=1777"),  # noqa: S108 the folder that Lambda gives
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
    *("--memory", "2048m"),
    *("--pids-limit", "256"),
)
VERSIONS = """
import json, os, platform, time
begin = time.perf_counter()
import blur_container.handler
seconds = time.perf_counter() - begin
import av, cv2, numpy
refused = []
for folder in (os.environ["LAMBDA_TASK_ROOT"], "/", "/etc"):
    try:
        open(os.path.join(folder, "written"), "w")
    except OSError:
        refused.append(folder)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "import_ms": round(seconds * 1000), "uid": os.getuid(), "capabilities": int(status["CapEff"], 16),
    "refused": len(refused), "python": platform.python_version(), "machine": platform.machine(),
    "av": av.__version__, "opencv": cv2.__version__, "numpy": numpy.__version__}))
"""


@dataclass(frozen=True)
class BuiltImage:
    """An image and the engine that built it."""

    engine: CommandEngine
    uri: str

    def command(self, *options: str) -> list[str]:
        """Return the command that runs the image within Lambda's limits."""
        return [*self.engine.words, "run", "--rm", *LIMITS, *options]

    def ask(self, code: str) -> dict[str, Any]:
        """Return what `code` prints as JSON inside a container."""
        command = self.command("--network", "none", "--entrypoint", "python3", self.uri, "-c", code)
        printed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert printed.returncode == 0, printed.stderr
        answer: dict[str, Any] = json.loads(printed.stdout)
        return answer


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    """Return the image, built now; skip where it was not asked for or cannot be."""
    if not os.environ.get("IMAGE_TEST"):
        pytest.skip("the image is built by `make test-image`")
    try:
        engine = find_engine(os.environ.get("ENGINE", ""))
    except NoEngine as error:
        pytest.skip(str(error))
    settings = StageSettings("test", base_image=os.environ.get("BASE_IMAGE", ""))
    source = ImageSource(ROOT, base_name(ROOT, settings), settings.architecture)
    uri = f"localhost/face-blur:{source.version}"
    build_image(source, engine, uri)
    print(f"\n{engine.words[0]}: {uri}, {engine.size_bytes(uri) / 1e6:.0f} MB unpacked")
    return BuiltImage(engine, uri)


def test_image_runs_without_rights(image: BuiltImage) -> None:
    """Nobody, without a capability, on a file system that cannot be written; versions are printed."""
    facts = image.ask(VERSIONS)

    print(", ".join(f"{name} {fact}" for name, fact in facts.items()))
    assert facts["uid"] != 0
    assert facts["capabilities"] == 0
    assert facts["refused"] == 3


@pytest.mark.skipif(
    sys.platform != "linux", reason="the container reaches the local cloud by the host's network"
)
def test_clip_is_blurred_by_the_image_as_lambda_runs_it(image: BuiltImage, tmp_path: Path) -> None:
    """The emulator hands over the job, and the output equals that of the same code outside the image."""
    clip = make_portrait_clip(tmp_path / "portrait.mp4", standing(1.0))
    with LocalCloud() as cloud:
        cloud.deploy(ROOT)
        pipeline = Pipeline(cloud, tmp_path)
        upload = pipeline.put(clip, "portrait.mp4")
        expected = pipeline.wait(upload)
        job = Job.from_json(json.loads(pipeline.ended(upload.execution_arn)["output"]))
        cloud.client("s3").delete_object(Bucket=cloud.buckets.output, Key="portrait.mp4")
        # The faces document went with its execution.
        cloud.client("lambda").invoke(
            FunctionName="face-blur-local-get-rekognized-faces", Payload=json.dumps(job.to_json())
        )

        with _lambda(image, cloud) as port:
            answer = _invoke(port, replace(job, output=None, manifest=None))
        rendered = pipeline.wait(upload).output

    assert answer.get("errorType") is None, answer
    assert rendered is not None
    assert expected.output is not None
    assert video_times(rendered) == video_times(clip)
    assert audio_packets(rendered) == audio_packets(clip)


def test_job_that_cannot_be_read_is_a_named_error(image: BuiltImage) -> None:
    """The state machine goes by the error's name."""
    with LocalCloud() as cloud, _lambda(image, cloud) as port:
        answer = _post(port, {})

    assert answer["errorType"] == "InvalidDocument"


@contextmanager
def _lambda(image: BuiltImage, cloud: LocalCloud) -> Iterator[int]:
    """Run the image through the runtime interface emulator of its base; yield the emulator's port."""
    port, runtime_port = _free_port(), _free_port()
    variables = {**cloud.environment, "OUTPUT_BUCKET": _bucket("output"), "WORK_BUCKET": _bucket("work")}
    command = image.command(
        *("--network", "host", "--entrypoint", "/usr/local/bin/aws-lambda-rie"),
        *[word for pair in variables.items() for word in ("--env", "=".join(pair))],
        image.uri,
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
        *("/lambda-entrypoint.sh", HANDLER),
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()


def _bucket(part: str) -> str:
    return f"face-blur-local-{part}-123456789012"


def _invoke(port: int, job: Job) -> dict[str, Any]:
    begin_s = time.monotonic()
    answer = _post(port, job.to_json())
    print(f"first invocation, cold: {time.monotonic() - begin_s:.2f} s")
    return answer


def _post(port: int, event: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    process.terminate()
    raise TimeoutError(f"the emulator did not start: {process.communicate()[0].decode()}")
