"""Requests at the same time: each test lets one in where another one is half done."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import EnvironBuilder

from local_cloud.http.serial_moto import SerialMoto
from local_cloud.http.server import moto_application
from local_cloud.http.wsgi import Answer, call
from local_cloud.lambda_service.api import LambdaApi
from local_cloud.lambda_service.invocations import Invocations
from local_cloud.lambda_service.registry import FunctionRegistry
from local_cloud.lambda_service.sandbox import Invocation
from local_cloud.s3_service.api import BucketPolicies, S3Api
from local_cloud.s3_service.cors import BucketCors
from local_cloud.s3_service.events import BucketEvents
from local_cloud.s3_service.notifications import Configuration, Notification
from tests.clouds.tiny import zipped

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# How long a request is held up for another one that must not come in between.
A_WHILE_S = 0.3


class Interrupted:
    """An application in which, after its first answer to `method`, another request is let in."""

    def __init__(self, application: WSGIApplication, method: str) -> None:
        self._application = application
        self._method = method
        self.other: Callable[[], object] | None = None
        self.thread = threading.Thread()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._application(environ, start_response)
        other = self.other if environ["REQUEST_METHOD"] == self._method else None
        if other is not None:
            self.other = None
            self.thread = threading.Thread(target=other)
            self.thread.start()
            self.thread.join(A_WHILE_S)
        return answer


def request(service: str, method: str, path: str, body: bytes = b"") -> WSGIEnvironment:
    """Return a signed request."""
    scope = f"Credential=KEY/20260101/us-east-1/{service}/aws4_request"
    headers = [("Authorization", f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none")]
    builder = EnvironBuilder(path, method=method, headers=headers, input_stream=io.BytesIO(body))
    return {**builder.get_environ(), "CONTENT_LENGTH": str(len(body))}


@pytest.fixture
def moto() -> Iterator[WSGIApplication]:
    """Yield moto, empty before and after."""
    application = moto_application()
    empty = EnvironBuilder("/moto-api/reset", method="POST")
    call(application, empty.get_environ())
    yield application
    call(application, empty.get_environ())


def test_two_puts_to_one_key_are_told_each_by_its_own_bytes_in_their_order(moto: WSGIApplication) -> None:
    """The later object has the larger sequencer; no event tells of the other's ETag."""
    sent: list[dict[str, Any]] = []
    events = BucketEvents(lambda _arn, event: sent.append(json.loads(event)["Records"][0]["s3"]["object"]), 1)
    events.configure("bucket", Configuration((Notification("id", "arn:f", ("s3:ObjectCreated:*",)),)))
    interrupted = Interrupted(moto, "PUT")
    s3 = S3Api(SerialMoto(interrupted), events, lambda _arn: True, BucketCors(), BucketPolicies())
    call(s3, request("s3", "PUT", "/bucket"))
    interrupted.other = lambda: call(s3, request("s3", "PUT", "/bucket/clip.mp4", b"the later one"))

    first = call(s3, request("s3", "PUT", "/bucket/clip.mp4", b"first"))
    interrupted.thread.join()

    last = call(s3, request("s3", "HEAD", "/bucket/clip.mp4"))
    assert [one["size"] for one in sent] == [5, 13]
    assert [one["eTag"] for one in sent] == [
        first.headers["ETag"].strip('"'),
        last.headers["ETag"].strip('"'),
    ]
    assert sent[0]["sequencer"] < sent[1]["sequencer"]


def test_object_deleted_right_after_it_was_put_was_there(moto: WSGIApplication) -> None:
    """The upload is told, and answered well."""
    sent: list[bytes] = []
    events = BucketEvents(lambda _arn, event: sent.append(event), 1)
    events.configure("bucket", Configuration((Notification("id", "arn:f", ("s3:ObjectCreated:*",)),)))
    interrupted = Interrupted(moto, "PUT")
    s3 = S3Api(SerialMoto(interrupted), events, lambda _arn: True, BucketCors(), BucketPolicies())
    call(s3, request("s3", "PUT", "/bucket"))
    interrupted.other = lambda: call(s3, request("s3", "DELETE", "/bucket/clip.mp4"))

    answer = call(s3, request("s3", "PUT", "/bucket/clip.mp4", b"video"))
    interrupted.thread.join()

    assert (answer.status[:3], len(sent)) == ("200", 1)


def test_code_that_was_refused_is_not_what_runs(tmp_path: Path) -> None:
    """One of two concurrent creations of a function is refused; the code of the other runs."""
    taken: list[str] = []

    def moto(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        configuration = {
            "FunctionName": "f",
            "FunctionArn": "arn:f",
            "Role": "arn:r",
            "Handler": "tiny.handler",
        }
        answers = [Answer(json.dumps({**configuration, "Runtime": "python3.11"}), "201 Created")]
        refused = Answer("{}", "409 Conflict")
        taken.append(environ["PATH_INFO"])
        return [*answers, refused, refused][len(taken) - 1](environ, start_response)

    registry = FunctionRegistry(tmp_path)
    interrupted = Interrupted(moto, "POST")
    api = LambdaApi(interrupted, registry, Invocations(_never, lambda _function: 1, ()), lambda *_: [])
    interrupted.other = lambda: call(api, _creation("second"))

    call(api, _creation("first"))
    interrupted.thread.join()

    function = registry.find("f")
    assert function is not None
    assert (function.code_folder / "tiny.py").read_text() == "first"
    call(api, _creation("third"))
    kept = registry.keep(
        {
            "FunctionName": "f",
            "FunctionArn": "arn:f",
            "Role": "arn:r",
            "Handler": "h",
            "Runtime": "python3.11",
        },
        None,
        None,
    )
    assert (kept.code_folder / "tiny.py").read_text() == "first"
    assert kept.revision > function.revision


def _creation(code: str) -> WSGIEnvironment:
    document = {"FunctionName": "f", "Code": {"ZipFile": base64.b64encode(zipped(code)).decode()}}
    return request("lambda", "POST", "/2015-03-31/functions", json.dumps(document).encode())


def _never(_function: Any) -> Any:
    raise AssertionError(Invocation(b""))
