"""Access to the local cloud: this machine's names, no other web pages, a key of this run."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from local_cloud.cloud import LocalCloud
from tests.clouds.tiny import TinyCloud, Watch, zipped

PAGE = "http://127.0.0.1:9"
RULES = {
    "CORSRules": [{"AllowedOrigins": [PAGE], "AllowedMethods": ["PUT", "POST"], "AllowedHeaders": ["x-*"]}]
}


@dataclass(frozen=True)
class Call:
    """A request as a program would sign it, and what a browser adds to it."""

    method: str
    path: str
    body: bytes = b""
    service: str = "s3"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What came back: a status, the headers that tell browsers what pages may see, and the body."""

    status: int
    cors: dict[str, str]
    body: str


LIST = Call("GET", "/")
CREATE = Call(
    "POST",
    "/2015-03-31/functions",
    json.dumps(
        {"FunctionName": "evil", "Runtime": "python3.11", "Role": "arn:r", "Handler": "tiny.handler"}
    ).encode(),
    "lambda",
)


@pytest.fixture(scope="module")
def stocked(tiny: TinyCloud) -> TinyCloud:
    """Return a cloud with a bucket and a function."""
    tiny.cloud.client("s3").create_bucket(Bucket="stocked")
    tiny.deploy("greeting", "def handler(event, context):\n    return 'hello'\n")
    return tiny


def sent(
    cloud: LocalCloud, call: Call, *, is_signed: bool = True, added: dict[str, str] | None = None
) -> Seen:
    """Send a request; `added` headers are those that a browser sets and nobody signs."""
    address = urlsplit(cloud.endpoint_url)
    request = AWSRequest(call.method, cloud.endpoint_url + call.path, dict(call.headers), call.body)
    key = cloud.environment
    signer = S3SigV4Auth if call.service == "s3" else SigV4Auth
    credentials = Credentials(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])
    [signer(credentials, call.service, "us-east-1").add_auth(request) for _ in range(is_signed)]
    return over_http(address.netloc, call, {**dict(request.headers.items()), **(added or {})})


def over_http(netloc: str, call: Call, headers: dict[str, str]) -> Seen:
    """Send a request as it is."""
    connection = http.client.HTTPConnection(netloc)
    try:
        connection.request(call.method, call.path, call.body, headers)
        answer = connection.getresponse()
        cors = {
            name: value for name, value in answer.getheaders() if name.lower().startswith("access-control")
        }
        return Seen(answer.status, cors, answer.read().decode())
    finally:
        connection.close()


def test_request_signed_with_this_runs_key_is_answered(stocked: TinyCloud) -> None:
    """A request signed with the run's own key is answered, without CORS headers."""
    seen = sent(stocked.cloud, LIST)

    assert (seen.status, seen.cors) == (200, {})
    assert "<Name>stocked</Name>" in seen.body


@pytest.mark.parametrize(
    "call",
    [
        LIST,
        CREATE,
        Call("POST", "/2015-03-31/functions/greeting/invocations", b"{}", "lambda"),
        Call("PUT", "/stocked/evil.mp4", b"evil"),
        Call("POST", "/moto-api/reset"),
        Call("GET", "/moto-api/data.json"),
        Call(
            "POST",
            "/local-cloud/images",
            b'{"folder": "/etc", "uri": "u:t", "variables": {}, "command": "c"}',
        ),
        Call("OPTIONS", "/stocked/evil.mp4", headers={"Access-Control-Request-Method": "PUT"}),
        Call("POST", "/", b"", "rekognition", {"X-Amz-Target": "RekognitionService.GetFaceDetection"}),
        Call(
            "POST",
            "/",
            b"Action=CreateUser&UserName=evil&Version=2010-05-08",
            "iam",
            {"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ],
    ids=lambda call: f"{call.method} {call.path}",
)
def test_unsigned_request_is_refused(stocked: TinyCloud, call: Call) -> None:
    """Every service refuses an unsigned request, with an error in its own format."""
    seen = sent(stocked.cloud, call, is_signed=False)

    assert (seen.status, seen.cors) == (403, {})
    assert "not signed" in seen.body


@pytest.mark.parametrize("call", [LIST, CREATE], ids=["s3", "lambda"])
@pytest.mark.parametrize(
    "added",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "evil.localhost.example"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": PAGE},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_a_browser_sends_for_another_site_is_refused(
    stocked: TinyCloud, call: Call, added: dict[str, str]
) -> None:
    """A request with another site's Origin is refused, even if its signature is valid."""
    seen = sent(stocked.cloud, call, added=added)

    assert (seen.status, seen.cors) == (403, {})
    assert "stocked" not in seen.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:{port}", "stocked.localhost:{port}"])
def test_this_machines_names_are_answered(stocked: TinyCloud, host: str) -> None:
    """Host names of this machine are accepted, with or without port and with a bucket in front."""
    port = stocked.cloud.endpoint_url.rpartition(":")[2]

    seen = sent(stocked.cloud, Call("GET", "/", headers={"Host": host.format(port=port)}))

    assert seen.status == 200
    assert ("<Name>stocked</Name>" in seen.body) is True


@pytest.mark.parametrize("added", [{"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
def test_own_pages_and_typed_addresses_are_answered(stocked: TinyCloud, added: dict[str, str]) -> None:
    """A browser says that no other site is behind them."""
    own = {"Origin": stocked.cloud.endpoint_url, **added}

    assert sent(stocked.cloud, LIST, added=own).status == 200


def test_signature_of_another_request_is_refused(stocked: TinyCloud) -> None:
    """A valid key is not enough: the signature must match the request."""
    address = urlsplit(stocked.cloud.endpoint_url)
    request = AWSRequest("GET", stocked.cloud.endpoint_url + "/")
    key = stocked.cloud.environment
    credentials = Credentials(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])
    S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)

    seen = over_http(address.netloc, Call("DELETE", "/stocked"), dict(request.headers.items()))

    assert (seen.status, "SignatureDoesNotMatch" in seen.body) == (403, True)


def test_body_of_a_lambda_call_is_part_of_its_signature(stocked: TinyCloud) -> None:
    """Code that was put in its place does not run."""
    request = AWSRequest("POST", stocked.cloud.endpoint_url + CREATE.path, {}, CREATE.body)
    key = stocked.cloud.environment
    credentials = Credentials(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)

    other = Call("POST", CREATE.path, CREATE.body.replace(b"evil", b"good"))
    seen = over_http(urlsplit(stocked.cloud.endpoint_url).netloc, other, dict(request.headers.items()))

    assert (seen.status, "InvalidSignatureException" in seen.body) == (403, True)


@pytest.mark.parametrize("service", ["lambda", "stepfunctions", "iam", "sqs", "cloudformation", "logs"])
def test_each_services_client_understands_its_refusal(stocked: TinyCloud, service: str) -> None:
    """boto3 raises an error with a name, and no broken answer."""
    wrong = boto3.client(
        service,
        endpoint_url=stocked.cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 the wrong one
    )
    calls = {
        "lambda": "list_functions",
        "stepfunctions": "list_state_machines",
        "iam": "list_users",
        "sqs": "list_queues",
        "cloudformation": "describe_stacks",
        "logs": "describe_log_groups",
    }

    with pytest.raises(wrong.exceptions.ClientError) as caught:
        getattr(wrong, calls[service])()

    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
    assert "did not issue" in str(caught.value)


def client(cloud: LocalCloud, key_id: str, secret: str, **config: Any) -> Any:
    """Return an S3 client with a key of the caller's choice."""
    return boto3.client(
        "s3",
        endpoint_url=cloud.endpoint_url.replace("127.0.0.1", "localhost"),
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(**config),
    )


def own_client(cloud: LocalCloud, **config: Any) -> Any:
    """Return an S3 client with the keys that `make up` prints."""
    key = cloud.environment
    return client(cloud, key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"], **config)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_presigned_address_is_answered_and_no_other_one(stocked: TinyCloud, version: str, style: str) -> None:
    """Presigned URLs of both signature versions work, with the bucket in the path or in the host."""
    s3 = own_client(stocked.cloud, signature_version=version, s3={"addressing_style": style})
    key = f"{version} {style}/ü+.mp4"
    put = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "stocked", "Key": key}))
    get = urlsplit(s3.generate_presigned_url("get_object", {"Bucket": "stocked", "Key": key}))
    netloc = urlsplit(stocked.cloud.endpoint_url).netloc

    refused = over_http(netloc, Call("PUT", f"{get.path}?{get.query}", b"evil"), {"Host": get.netloc})
    over_http(netloc, Call("PUT", f"{put.path}?{put.query}", b"video"), {"Host": put.netloc})
    seen = over_http(netloc, Call("GET", f"{get.path}?{get.query}"), {"Host": get.netloc})

    assert (refused.status, seen.status, seen.body) == (403, 200, "video")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_signed_form_is_taken_and_told(stocked: TinyCloud, version: str) -> None:
    """A browser's form creates an object, too."""
    stocked.watched_bucket(f"form-{version}", Watch())
    s3 = own_client(stocked.cloud, signature_version=version, s3={"addressing_style": "path"})
    post = s3.generate_presigned_post(f"form-{version}", "from form.mp4")

    seen = over_http(urlsplit(stocked.cloud.endpoint_url).netloc, *_form(f"/form-{version}", post["fields"]))

    [record] = stocked.received(f"form-{version}", 1)
    assert (seen.status, record["eventName"]) == (204, "ObjectCreated:Post")
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("from+form.mp4", 5)


@pytest.mark.parametrize(
    "fields", [{}, {"AWSAccessKeyId": "testing", "policy": "e30=", "signature": "x"}], ids=str
)
def test_form_that_nobody_signed_is_refused(stocked: TinyCloud, fields: dict[str, str]) -> None:
    """An unsigned upload form is refused: any web page can send a form without asking."""
    netloc = urlsplit(stocked.cloud.endpoint_url).netloc

    seen = over_http(netloc, *_form("/stocked", {"key": "evil.mp4", **fields}))

    assert seen.status == 403
    assert "Contents" not in stocked.cloud.client("s3").list_objects_v2(Bucket="stocked", Prefix="evil")


def _form(path: str, fields: dict[str, str]) -> tuple[Call, dict[str, str]]:
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = (
        '--edge\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\nvideo\r\n--edge--\r\n'
    )
    return Call("POST", path, "".join([*parts, file]).encode()), {
        "Content-Type": "multipart/form-data; boundary=edge"
    }


def test_page_that_a_buckets_rule_names_may_upload(stocked: TinyCloud) -> None:
    """CORS headers go to pages and methods that the bucket's rule names, and to no others."""
    s3 = stocked.cloud.client("s3")
    s3.create_bucket(Bucket="shared")
    s3.put_bucket_cors(Bucket="shared", CORSConfiguration=RULES)
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-amz-date",
    }
    put = Call("PUT", "/shared/clip.mp4", b"video")

    before = sent(stocked.cloud, Call("OPTIONS", "/shared/clip.mp4"), is_signed=False, added=asked)
    upload = sent(stocked.cloud, put, added={"Origin": PAGE, "Sec-Fetch-Site": "same-site"})
    others = [
        sent(stocked.cloud, Call("OPTIONS", "/shared/clip.mp4"), is_signed=False, added={**asked, **other})
        for other in (
            {"Origin": "http://127.0.0.1:8"},
            {"Access-Control-Request-Method": "DELETE"},
            {"Access-Control-Request-Headers": "authorization"},
        )
    ]
    unsigned = sent(stocked.cloud, put, is_signed=False, added={"Origin": PAGE})
    s3.delete_bucket_cors(Bucket="shared")
    after = sent(stocked.cloud, put, added={"Origin": PAGE})

    assert (before.status, before.cors["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert (upload.status, upload.cors["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert [(seen.status, seen.cors) for seen in [*others, after]] == [(403, {})] * 4
    assert unsigned.status == 403


def test_rule_of_a_bucket_lets_nobody_call_other_services(stocked: TinyCloud) -> None:
    """A function's name in the path is no bucket."""
    s3 = stocked.cloud.client("s3")
    s3.create_bucket(Bucket="2015-03-31")
    s3.put_bucket_cors(Bucket="2015-03-31", CORSConfiguration=RULES)

    seen = sent(stocked.cloud, CREATE, added={"Origin": PAGE})

    assert (seen.status, seen.cors) == (403, {})


def test_keys_that_the_cloud_gave_are_good(stocked: TinyCloud) -> None:
    """Keys of a created user are accepted, those of an assumed role with their token only."""
    sts, iam = stocked.cloud.client("sts"), stocked.cloud.client("iam")
    role = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/any", RoleSessionName="test")[
        "Credentials"
    ]
    iam.create_user(UserName="somebody")
    user = iam.create_access_key(UserName="somebody")["AccessKey"]

    named = client(stocked.cloud, user["AccessKeyId"], user["SecretAccessKey"])
    bare = client(stocked.cloud, role["AccessKeyId"], role["SecretAccessKey"])

    assert "Buckets" in named.list_buckets()
    with pytest.raises(bare.exceptions.ClientError, match="InvalidToken"):
        bare.list_buckets()


def test_code_in_a_request_with_a_key_still_runs(stocked: TinyCloud) -> None:
    """A caller with a key can run its own code: only web pages are kept out."""
    stocked.cloud.client("lambda").update_function_code(
        FunctionName="greeting", ZipFile=zipped("def handler(event, context):\n    return 'hi'\n")
    )

    assert stocked.invoke("greeting").payload == "hi"
