"""Replays lost events: sends the events in the dead-letter queue to their functions again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.contract.log import printable
from deploy.names import EVENT_FUNCTIONS, Names

# Longer than a function may take for one event.
_HIDDEN_S = 120
_AT_ONCE = 10


@dataclass(frozen=True)
class LostEvent:
    """An event from the dead-letter queue, and the function that failed on it."""

    function: str
    event: dict[str, Any]

    @property
    def sources(self) -> str:
        """Return the uploads in the event, for a printed line."""
        records = [record for record in self.event.get("Records", []) if isinstance(record, dict)]
        objects = [record.get("s3") for record in records] + [self.event.get("detail")]
        keys = [
            f"s3://{one.get('bucket', {}).get('name')}/{one.get('object', {}).get('key')}"
            for one in objects
            if isinstance(one, dict)
        ]
        return ", ".join(keys) or "an event that names no object itself"


def replay(sqs: Any, functions: Any, names: Names) -> Iterator[str]:
    """Invoke the function of each lost event again; yield a line for each event.

    An event is deleted when its function succeeds; all others are left in the queue. A replay never starts an
    execution twice: its name comes from the upload.
    """
    url = sqs.get_queue_url(QueueName=names.dead_letter_queue)["QueueUrl"]
    left: list[str] = []
    for message in _messages(sqs, url):
        lost = _read(message, names)
        failure = "it is no event of this app" if lost is None else _failure(functions, lost)
        what = lost.sources if lost else f"message {message['MessageId']}"
        if failure:
            left.append(message["ReceiptHandle"])
            yield printable(f"left        {what}: {failure}")
        else:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield printable(f"replayed    {what}")
    for handle in left:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


def _messages(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """Yield every message that nobody else has; those that were yielded stay hidden for a while."""
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=_AT_ONCE, VisibilityTimeout=_HIDDEN_S, WaitTimeSeconds=1
        )
        new = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not new:
            return
        seen.update(message["MessageId"] for message in new)
        yield from new


def _read(message: dict[str, Any], names: Names) -> LostEvent | None:
    try:
        body = json.loads(message["Body"])
        arn, event = str(body["requestContext"]["functionArn"]), body["requestPayload"]
    except (ValueError, KeyError, TypeError):
        return None
    known = {names.function(function) for function in EVENT_FUNCTIONS}
    function = next((name for name in known if name in arn.split(":")), None)
    if function is None or not isinstance(event, dict):
        return None
    return LostEvent(function, event)


def _failure(functions: Any, lost: LostEvent) -> str:
    """Invoke the function with the event; return its error, or an empty text."""
    answer = functions.invoke(FunctionName=lost.function, Payload=json.dumps(lost.event).encode())
    payload: str = answer["Payload"].read().decode(errors="replace")
    if "FunctionError" not in answer:
        return ""
    try:
        told = json.loads(payload)
        return f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return payload
