"""On-failure destinations: a lost event is sent to the queue that its function is configured with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.service_errors import error_code
from local_cloud.http.clients import CloudClients
from local_cloud.lambda_service.invocations import LostEvent
from local_cloud.lambda_service.registry import Function

_GONE = {"ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue"}
_FORBIDDEN = "AccessDeniedException"


class DeadLetters:
    """Sends lost events with the permissions of their function, which `find` returns by its name."""

    def __init__(self, clients: CloudClients, find: Callable[[str], Function | None]) -> None:
        self._clients = clients
        self._find = find

    def send(self, event: LostEvent) -> None:
        """Send `event` to its function's destination; without one it is dropped."""
        try:
            lambda_client = self._clients.get("lambda")
            config = lambda_client.get_function_event_invoke_config(FunctionName=event.function_name)
        except ClientError as error:
            if error_code(error) in _GONE:
                return
            raise
        arn = str(config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))
        function = self._find(event.function_name)
        if not arn or function is None:
            return
        url = self._clients.get("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        sqs = self._clients.get("sqs", function.caller)
        try:
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(_record(event)))
        except ClientError as error:
            if error_code(error) != _FORBIDDEN:
                raise
            # Lambda drops the event, and counts it as DestinationDeliveryFailures.
            print(f"local cloud: an event of {event.function_name} is dropped: {error}", file=sys.stderr)


def _record(event: LostEvent) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "requestContext": {"functionArn": event.function_name, "condition": "RetriesExhausted"},
        "requestPayload": json.loads(event.payload),
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": json.loads(event.error),
    }
