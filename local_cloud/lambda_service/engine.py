"""A container engine for the local cloud: `build` follows the Dockerfile, `push` sends the result to it.

It takes the commands of docker and podman:
`make deploy STAGE=local ENGINE="python -m local_cloud.lambda_service.engine"`.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_cloud.lambda_service.build_context import base_by_digest, build_image
from local_cloud.lambda_service.pushed_images import PUSH_PATH

_STORE = Path(__file__).resolve().parent.parent.parent / ".local-cloud" / "images"


def main(arguments: list[str]) -> int:
    """Run the command in `arguments` and return the exit code."""
    options = _parse(arguments)
    if options.command == "build":
        place = _place(options.store, options.tag)
        given = dict(one.split("=", 1) for one in options.build_arg)
        shutil.rmtree(place, ignore_errors=True)
        image = build_image(options.file, options.context, place / "task", given)
        described = {"variables": image.variables, "command": image.command}
        (place / "image.json").write_text(json.dumps(described), encoding="utf-8")
    elif options.command == "push":
        return _push(_place(options.store, options.uri), options.uri)
    elif options.command == "image":
        print(json.dumps([base_by_digest(options.name)]))
    return 0


def _push(place: Path, uri: str) -> int:
    """Send the image in `place`, built as `uri`, to the local cloud; return the exit code."""
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    if not endpoint.hostname:
        print("AWS_ENDPOINT_URL is not set: export the variables that `make up` printed.", file=sys.stderr)
        return 1
    described = json.loads((place / "image.json").read_text(encoding="utf-8"))
    request = {"uri": uri, "folder": str(place / "task"), **described}
    signed = AWSRequest(
        "POST",
        f"http://{endpoint.netloc}{PUSH_PATH}",
        {"Content-Type": "application/json"},
        json.dumps(request),
    )
    key = Credentials(os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""))
    SigV4Auth(key, "local-cloud", "local").add_auth(signed)
    connection = http.client.HTTPConnection(endpoint.hostname, endpoint.port)
    try:
        connection.request("POST", PUSH_PATH, signed.data, dict(signed.headers.items()))
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            print(f"The local cloud refused {uri}: {answer.read().decode(errors='replace')}", file=sys.stderr)
        return 0 if answer.status == http.HTTPStatus.OK else 1
    finally:
        connection.close()


def _place(store: Path, uri: str) -> Path:
    return store.resolve() / hashlib.sha256(uri.encode()).hexdigest()[:32]


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_cloud.lambda_service.engine", description=__doc__)
    parser.add_argument("--store", type=Path, default=_STORE, help="where the files of images are kept")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("--file", type=Path, required=True)
    build.add_argument("--tag", required=True)
    build.add_argument("--platform")
    build.add_argument("--build-arg", action="append", default=[])
    build.add_argument("--provenance")
    build.add_argument("context", type=Path)
    commands.add_parser("push").add_argument("uri")
    login = commands.add_parser("login")
    login.add_argument("--username")
    login.add_argument("--password-stdin", action="store_true")
    login.add_argument("registry")
    commands.add_parser("info")
    pull = commands.add_parser("pull")
    pull.add_argument("--quiet", action="store_true")
    pull.add_argument("--platform")
    pull.add_argument("name")
    image = commands.add_parser("image")
    image.add_argument("verb", choices=["inspect"])
    image.add_argument("--format", choices=["{{json .RepoDigests}}"], required=True)
    image.add_argument("name")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
