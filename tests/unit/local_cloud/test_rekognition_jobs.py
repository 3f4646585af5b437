"""Face jobs while the stand-in closes, and the Runtime API of a sandbox while web pages look for its port."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from local_cloud.http.wsgi import call
from local_cloud.lambda_service.runtime_api import RuntimeApi
from local_cloud.rekognition_service.api import RekognitionVideo
from local_cloud.rekognition_service.jobs import FaceJobs, Stopped, StoredVideo
from local_cloud.settings import RekognitionSettings

VIDEO = StoredVideo("bucket", "clip.mp4", None)
NEXT = "/2018-06-01/runtime/invocation/next"


def test_job_that_is_started_while_the_others_end_is_told_so() -> None:
    """By name, as by a service that closes, not by an error of the threads that are gone."""
    is_fetching, may_go_on = threading.Event(), threading.Event()

    def hold() -> Any:
        is_fetching.set()
        may_go_on.wait(10)
        raise Stopped

    jobs = FaceJobs(hold, lambda: pytest.fail("nothing is detected"), RekognitionSettings())
    jobs.start(VIDEO, None)
    assert is_fetching.wait(10)
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(jobs.close)
        # close() waits for the first job: from here on it has begun.
        while not jobs.is_closing:
            threading.Event().wait(0.01)

        with pytest.raises(Stopped):
            jobs.start(VIDEO, None)

        may_go_on.set()
        closing.result()


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ("Host: {address}", True),
        ("Host: evil.example", False),
        ("Host: {address}\r\nOrigin: https://evil.example", False),
        ("Host: {address}\r\nSec-Fetch-Site: cross-site", False),
        ("Accept: */*", False),
    ],
)
def test_runtime_api_hears_its_function_only(headers: str, *, is_taken: bool) -> None:
    """A web page that found the port gets no event, and answers none."""
    api = RuntimeApi()
    host, _, port = api.address.partition(":")
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"GET {NEXT} HTTP/1.1\r\n{headers.format(address=api.address)}\r\n\r\n".encode())

        request = api.receive(5)

        answer = b"" if request else caller.recv(100)
    taken = request.path if request else None
    [one.close() for one in (request, api) if one]
    assert taken == (NEXT if is_taken else None)
    assert answer.startswith(b"" if is_taken else b"HTTP/1.1 403")


def test_closed_stand_in_opens_no_client_that_nobody_closes() -> None:
    """A request that was late is told that the service ends."""
    made: list[object] = []
    stand_in = RekognitionVideo(lambda: made.append("a client"), RekognitionSettings())
    stand_in.close()
    body = b'{"Video": {"S3Object": {"Bucket": "bucket", "Name": "clip.mp4"}}}'
    headers = [("X-Amz-Target", "RekognitionService.StartFaceDetection")]

    answer = call(stand_in, EnvironBuilder(method="POST", data=body, headers=headers).get_environ())

    assert (answer.status[:3], made) == ("500", [])
