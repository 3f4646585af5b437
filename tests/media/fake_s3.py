"""S3 in memory: the few calls the container makes, with the errors S3 gives."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import ClientError
from botocore.response import StreamingBody


def refusal(code: str, status: int) -> ClientError:
    """Return the error by which boto3 reports a refused request."""
    answer = {"Error": {"Code": code, "Message": "refused"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(cast("Any", answer), "AnyOperation")


@dataclass
class FakeS3:
    """A client whose objects lie in `objects`, by bucket and key; `error` is raised by every call if set."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None
    lost_bytes: int = 0

    def get_object(self, **request: Any) -> dict[str, Any]:
        """Return an object; the last `lost_bytes` of it do not arrive."""
        self._note(request)
        content = self.objects.get((request["Bucket"], request["Key"]))
        if content is None:
            raise refusal("NoSuchKey", 404)
        arriving = content[: len(content) - self.lost_bytes]
        return {"ContentLength": len(content), "Body": StreamingBody(io.BytesIO(arriving), len(content))}

    def put_object(self, **request: Any) -> None:
        """Keep an object."""
        self._note(request)
        self.objects[request["Bucket"], request["Key"]] = request["Body"]

    def upload_file(self, filename: str, bucket: str, key: str, **request: Any) -> None:
        """Keep the content of a file."""
        self._note({"Bucket": bucket, "Key": key, **request})
        self.objects[bucket, key] = Path(filename).read_bytes()

    def _note(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
