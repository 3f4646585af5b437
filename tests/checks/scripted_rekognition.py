"""A Rekognition client that gives prepared answers."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class ScriptedRekognition:
    """A Rekognition client that gives prepared answers, in order, and keeps the requests."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def start_face_detection(self, **request: Any) -> dict[str, Any]:
        """Answer StartFaceDetection."""
        return self._answer(request)

    def get_face_detection(self, **request: Any) -> dict[str, Any]:
        """Answer GetFaceDetection."""
        return self._answer(request)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def make_error(code: str, status: int = 400) -> ClientError:
    """Return an error as botocore raises it."""
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "StartFaceDetection")
