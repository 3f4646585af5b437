"""Web pages of others in Chromium: they can neither do anything in the local cloud nor read of it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from local_cloud.cloud import LocalCloud
from tests.browser.chromium import chromium, opened
from tests.clouds.tiny import TinyCloud, zipped

BROWSER = chromium()
PATIENCE_S = 90.0
REBOUND = "--host-resolver-rules=MAP evil.example 127.0.0.1"
CODE = """
import os, pathlib

def handler(event, context):
    pathlib.Path(os.environ["FOLDER"], "ran").touch()
"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@dataclass(frozen=True)
class Wanted:
    """What a page tries: a request, and the fields of a form to the same address."""

    name: str
    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class Site(ThreadingHTTPServer):
    """A web site on a port of its own: its page, what the page wants, and what the page tells of it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wanted: list[Wanted] = []
        self.seen: Queue[list[dict[str, Any]]] = Queue()


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        """Answer with the page, or with what it shall try."""
        if self.path == "/wanted.json":
            self._answer(json.dumps([asdict(one) for one in self.server.wanted]).encode())
        else:
            self._answer(Path(__file__).with_name("foreign.html").read_bytes())

    def do_POST(self) -> None:
        """Take what the page could read."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")
        self.server.seen.put(json.loads(body))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class names it so
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def site() -> Iterator[Site]:
    """Serve a web site while open."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def visited(server: Site, host: str, wanted: list[Wanted], profile: Path) -> list[dict[str, Any]]:
    """Open the site's page as that of `host`; return what it could read of the answers."""
    server.wanted = wanted
    with opened(BROWSER or "", f"http://{host}:{server.server_port}/", profile, REBOUND):
        return server.seen.get(timeout=PATIENCE_S)


def attacks(cloud: LocalCloud, host: str) -> list[Wanted]:
    """Return what a page would try, with keys that everybody knows and with addresses that were signed."""
    at = f"http://{host}:{cloud.endpoint_url.rpartition(':')[2]}"
    request = {
        "FunctionName": "evil",
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::123456789012:role/any",
        "Handler": "tiny.handler",
        "Code": {"ZipFile": base64.b64encode(zipped(CODE)).decode()},
    }
    function = json.dumps(request)
    signed = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/lambda/aws4_request, "
        "SignedHeaders=host, Signature=none"
    }
    s3 = cloud.client("s3")
    put = s3.generate_presigned_url("put_object", {"Bucket": "stocked", "Key": "evil.mp4"})
    get = s3.generate_presigned_url("get_object", {"Bucket": "stocked", "Key": "secret.txt"})
    post = s3.generate_presigned_post("stocked", "evil.mp4")["fields"]
    functions = f"{at}/2015-03-31/functions"
    return [
        Wanted("CreateFunction", functions, "POST", signed, function, {"{": function}),
        Wanted("Invoke", f"{functions}/greeting/invocations", "POST", signed, "{}", {"{": "}"}),
        Wanted("ListBuckets", f"{at}/", "GET", {}),
        Wanted(
            "PutObject", f"{at}/stocked/evil.mp4", "PUT", signed, "evil", {"key": "evil.mp4", "file": "evil"}
        ),
        Wanted("PutObject, signed", at + put.removeprefix(cloud.endpoint_url), "PUT", {}, "evil", post),
        Wanted("GetObject, signed", at + get.removeprefix(cloud.endpoint_url), "GET", {}),
        Wanted("PostObject, signed", f"{at}/stocked", "POST", {}, "evil", {**post, "file": "evil"}),
        Wanted("Reset", f"{at}/moto-api/reset", "POST", {}, ""),
    ]


@pytest.mark.parametrize(
    ("page", "called"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("evil.example", "127.0.0.1"),
        ("evil.example", "evil.example"),
        ("127.0.0.1", "stocked.localhost"),
    ],
)
def test_page_of_another_site_does_nothing_and_reads_nothing(tmp_path: Path, page: str, called: str) -> None:
    """A foreign page can neither call nor read the local services, by fetch, form or another host name."""
    with LocalCloud() as cloud, site() as server:
        tiny = TinyCloud(cloud, tmp_path)
        tiny.deploy("greeting", CODE)
        cloud.client("s3").create_bucket(Bucket="stocked")
        tiny.upload("stocked", "secret.txt", b"a secret")

        seen = visited(server, page, attacks(cloud, called), tmp_path / "profile")

        functions = [one["FunctionName"] for one in cloud.client("lambda").list_functions()["Functions"]]
        objects = [one["Key"] for one in cloud.client("s3").list_objects_v2(Bucket="stocked")["Contents"]]
        buckets = [one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"]]
    assert len(seen) == 8 * 6
    assert {(one["status"], one["text"]) for one in seen} == {(0, "")}
    assert (functions, objects, buckets) == (["greeting"], ["secret.txt"], ["stocked"])
    assert not list(tmp_path.glob("**/ran"))


def test_page_that_a_bucket_names_uploads_by_a_signed_address(tmp_path: Path) -> None:
    """The pages above would have done it, had they been let."""
    with LocalCloud() as cloud, site() as server:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="shared")
        rule = {
            "AllowedOrigins": [f"http://127.0.0.1:{server.server_port}"],
            "AllowedMethods": ["PUT", "GET", "POST"],
            "AllowedHeaders": ["*"],
        }
        s3.put_bucket_cors(Bucket="shared", CORSConfiguration={"CORSRules": [rule]})
        put = s3.generate_presigned_url("put_object", {"Bucket": "shared", "Key": "put.mp4"})
        get = s3.generate_presigned_url("get_object", {"Bucket": "shared", "Key": "put.mp4"})
        post = s3.generate_presigned_post("shared", "form.mp4")["fields"]
        wanted = [
            Wanted("PUT", put, "PUT", {"Content-Type": "video/mp4"}, "video"),
            Wanted("GET", get),
            Wanted("POST", f"{cloud.endpoint_url}/shared", fields={**post, "file": "video"}),
        ]

        seen = visited(server, "127.0.0.1", wanted, tmp_path / "profile")

        objects = [one["Key"] for one in s3.list_objects_v2(Bucket="shared")["Contents"]]
    assert [one["status"] for one in seen if one["how"] == "cors"][:2] == [200, 200]
    assert [one["text"] for one in seen if (one["name"], one["how"]) == ("GET", "cors")] == ["video"]
    assert objects == ["form.mp4", "put.mp4"]
