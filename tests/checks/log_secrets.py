"""Discretion: what neither the logs of functions nor the outputs may hold, looked for in all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av

from local_cloud.cloud import LocalCloud
from local_cloud.identity import FUNCTION_SECRET, FUNCTION_TOKEN

SECRETS = (
    *(FUNCTION_SECRET, FUNCTION_TOKEN, "AWSAccessKeyId", "AWS_SECRET", "AWS_SESSION", "Authorization"),
    *("X-Amz-", "x-amz-security-token", "Credential=", "Signature="),
)
OWN_TAGS = {"encoder", "major_brand", "minor_version", "compatible_brands"}
OWN_STREAM_TAGS = {"language", "handler_name", "vendor_id", "encoder"}
_LONGEST_LINE = 4096
_BASE64_OR_HEX = re.compile(r"[A-Za-z0-9+/=]{200,}")
# The longest key that tests upload is one letter a thousand times.
_LONG_KEY = re.compile(r"k{200,}")
# What Lambda itself puts between the words of its REPORT, and its runtime between the lines of a trace.
_BLANKS = str.maketrans("", "", "\t\r\n\xa0")
# Lines of Lambda, of EventLog, and of the error that ends a function.
_KNOWN = ("START ", "END ", "REPORT ", "{", "[ERROR]", "Traceback", "  File ", "    ", "LAMBDA_WARNING")
_PLACES = ("/tmp", "var/", "blur-faces-", "blurred", "segment", "executions")  # noqa: S108 the words looked for


def logged(cloud: LocalCloud) -> dict[str, list[str]]:
    """Return the lines of all log groups that hold any, by the function's name in the app."""
    logs = cloud.client("logs")
    groups = [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
    pages = {name: logs.get_paginator("filter_log_events").paginate(logGroupName=name) for name in groups}
    lines = {
        name: [event["message"] for page in found for event in page["events"]]
        for name, found in pages.items()
    }
    return {name.rpartition("face-blur-local-")[2]: found for name, found in lines.items() if found}


def with_secrets(lines: Iterable[str]) -> list[str]:
    """Return the lines that hold a secret of a function's environment, or what signs a request."""
    return [line for line in lines if any(secret.lower() in line.lower() for secret in SECRETS)]


def with_pixels(lines: Iterable[str]) -> list[str]:
    """Return the lines that could hold a picture: long ones, encoded ones, and those that are no text."""
    return [
        line
        for line in lines
        if len(line) >= _LONGEST_LINE
        or _BASE64_OR_HEX.search(_LONG_KEY.sub("", line))
        or not line.translate(_BLANKS).isprintable()
    ]


def of_libraries(lines: Iterable[str]) -> list[str]:
    """Return the lines that neither Lambda nor the function wrote: FFmpeg's, and those of its encoders."""
    return [line for line in lines if not line.startswith(_KNOWN)]


def places_in(output: Path, cloud: LocalCloud, key: str) -> list[str]:
    """Return which names of buckets, keys and folders stand in the bytes of an output."""
    names = (*vars(cloud.buckets).values(), key, *_PLACES)
    content = output.read_bytes()
    return [name for name in names if str(name).encode() in content]


def notes_on(cloud: LocalCloud, key: str) -> dict[str, str]:
    """Return what S3 notes beside an output."""
    head = cloud.client("s3").head_object(Bucket=cloud.buckets.output, Key=key)
    return {**head["Metadata"], "type": head["ContentType"]}


def wanted_notes(manifest: dict[str, Any]) -> dict[str, str]:
    """Return what S3 should note beside the output of a manifest."""
    version, execution = manifest["source"]["version_id"], manifest["execution"]["name"]
    return {"source-version": version, "execution": execution, "type": "video/mp4"}


def foreign_tags(output: Path) -> set[str]:
    """Return the tags of an output that no container has by itself."""
    with av.open(str(output)) as container:
        found = set(container.metadata) - OWN_TAGS
        return found.union(*(set(stream.metadata) - OWN_STREAM_TAGS for stream in container.streams))
