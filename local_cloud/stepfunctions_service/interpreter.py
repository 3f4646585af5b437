"""Patches moto's interpreter of state machines: its clients get a key of this cloud, its races are closed.

The interpreter runs in threads of its own, which the locks in front of moto do not cover.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Any

from botocore.config import Config

from local_cloud.http.access_keys import AccessKey
from local_cloud.http.clients import make_client

_CONNECTIONS = 50


class Interpreter:
    """Patches of moto's interpreter, undone by `close`; `lock` is the one that is held while moto answers.

    `ended` is called with the ARN, the state machine's ARN and the status of each execution that ended.
    """

    def __init__(
        self,
        key: AccessKey,
        lock: AbstractContextManager[Any],
        ended: Callable[[str, str, str], None],
    ) -> None:
        self._key = key
        self._lock = lock
        self._ended = ended
        self._changes = ExitStack()

    def change(self) -> None:
        """Load and patch the interpreter; loading takes a second."""
        from moto.stepfunctions.parser import models  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.asl.parse import asl_parser  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.asl.utils import boto_client  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.backend import execution, execution_worker  # noqa: PLC0415 see above

        ending, worker = execution.BaseExecutionWorkerCommunication, execution_worker.ExecutionWorker
        clients = _Clients(self._key)
        self._changes.callback(clients.close)
        self._replace(boto_client, "boto3", clients)
        under_lock = ended_under_lock(ending.terminated, self._lock)
        self._replace(ending, "terminated", told_when_ended(under_lock, self._ended))
        self._replace(worker, "start", stoppable_from_the_start(worker.start))
        for place in (models, execution_worker):
            self._replace(place, "AmazonStateLanguageParser", _shared_trees(asl_parser))

    def close(self) -> None:
        """Undo the patches."""
        self._changes.close()

    def _replace(self, place: Any, name: str, value: Any) -> None:
        self._changes.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, value)


class _Clients:
    """Replaces the boto3 module in the interpreter; its clients sign with a key of this run.

    moto asks for a client at each task, always with the same options for a service.
    """

    def __init__(self, key: AccessKey) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, *, service_name: str, region_name: str, **options: Any) -> Any:
        """Return the client of a service in a region, with moto's options and the key of this run."""
        signed = {"aws_access_key_id": self._key.key_id, "aws_secret_access_key": self._key.secret}
        many = options["config"].merge(Config(max_pool_connections=_CONNECTIONS))
        named = {"service_name": service_name, "region_name": region_name, "config": many}
        with self._lock:
            if (service_name, region_name) not in self._clients:
                made = make_client(**{**options, **named, **signed})
                self._clients[service_name, region_name] = made
            return self._clients[service_name, region_name]

    def close(self) -> None:
        """Close the clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


class SharedTrees:
    """Parses each definition once: parsing takes a quarter of a second, and moto does it per execution."""

    def __init__(self, asl_parser: Any) -> None:
        self._asl_parser = asl_parser
        self._lock = threading.Lock()
        self._trees: dict[str, Any] = {}

    def parse(self, definition: str) -> tuple[Any, Any]:
        """Return a new program for one execution, and the shared syntax tree of `definition`."""
        with self._lock:
            if definition not in self._trees:
                _, self._trees[definition] = self._asl_parser.AmazonStateLanguageParser.parse(definition)
        tree = self._trees[definition]
        return self._asl_parser.Preprocessor().visit(tree), tree


@cache
def _shared_trees(asl_parser: Any) -> SharedTrees:
    # One for the process, whose clouds deploy the same definition.
    return SharedTrees(asl_parser)


def ended_under_lock(
    terminated: Callable[[Any], None], lock: AbstractContextManager[Any]
) -> Callable[[Any], None]:
    """Return `terminated` under `lock`: no answer shows an ended execution without its output or error."""

    def end(communication: Any) -> None:
        with lock:
            terminated(communication)

    return end


def told_when_ended(
    terminated: Callable[[Any], None], ended: Callable[[str, str, str], None]
) -> Callable[[Any], None]:
    """Return `terminated`, which calls `ended` after it; not under the lock, as moto is called in turn."""

    def end(communication: Any) -> None:
        terminated(communication)
        execution = communication.execution
        ended(execution.exec_arn, execution.state_machine.arn, execution.exec_status.value)

    return end


def stoppable_from_the_start(start: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return `start` so that an execution can be stopped before its thread runs.

    moto makes the object that stops an execution in that thread, which is too late.
    """

    def start_stoppable(worker: Any) -> None:
        worker.env = worker._get_evaluation_environment()  # noqa: SLF001 moto has no public name for it
        worker._get_evaluation_environment = lambda: worker.env  # noqa: SLF001 as above
        start(worker)

    return start_stoppable
