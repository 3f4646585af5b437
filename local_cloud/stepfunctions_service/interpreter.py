"""moto's interpreter of state machines: its clients get a key of this cloud, its threads an order.

The interpreter runs beside moto's answers, in threads that no lock in front of moto can hold up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import boto3

from local_cloud.http.access_keys import AccessKey


class Interpreter:
    """Changes to moto's interpreter, taken back when it is closed; `lock` is held while moto answers."""

    def __init__(self, key: AccessKey, lock: AbstractContextManager[Any]) -> None:
        self._key = key
        self._lock = lock
        self._changes = ExitStack()

    def change(self) -> None:
        """Change it; loading it takes moto a second."""
        from moto.stepfunctions.parser.asl.parse import asl_parser  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.asl.utils import boto_client  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.backend import execution, execution_worker  # noqa: PLC0415 see above

        ending, worker = execution.BaseExecutionWorkerCommunication, execution_worker.ExecutionWorker
        self._replace(boto_client, "boto3", _Clients(self._key))
        self._replace(ending, "terminated", told_at_once(ending.terminated, self._lock))
        self._replace(worker, "start", stoppable_from_the_start(worker.start))
        self._replace(execution_worker, "AmazonStateLanguageParser", SharedTrees(asl_parser))

    def close(self) -> None:
        """Leave moto as it was."""
        self._changes.close()

    def _replace(self, place: Any, name: str, value: Any) -> None:
        self._changes.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, value)


class _Clients:
    """Stands where the interpreter looks for boto3; gives its clients a key of this run."""

    def __init__(self, key: AccessKey) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._session = boto3.session.Session()

    def client(self, **options: Any) -> Any:
        """Return the client that the interpreter asks for."""
        signed = {"aws_access_key_id": self._key.key_id, "aws_secret_access_key": self._key.secret}
        # Making one is not safe in two threads at once.
        with self._lock:
            return self._session.client(**{**options, **signed})


class SharedTrees:
    """Reads each definition once: reading takes a quarter of a second, and moto would for each execution."""

    def __init__(self, asl_parser: Any) -> None:
        self._asl_parser = asl_parser
        self._lock = threading.Lock()
        self._trees: dict[str, Any] = {}

    def parse(self, definition: str) -> tuple[Any, Any]:
        """Return a program of its own for one execution, and the syntax tree of `definition`."""
        with self._lock:
            if definition not in self._trees:
                _, self._trees[definition] = self._asl_parser.AmazonStateLanguageParser.parse(definition)
        tree = self._trees[definition]
        return self._asl_parser.Preprocessor().visit(tree), tree


def told_at_once(
    terminated: Callable[[Any], None], lock: AbstractContextManager[Any]
) -> Callable[[Any], None]:
    """Let nobody see an execution that has ended before its output or its error is there."""

    def tell(communication: Any) -> None:
        with lock:
            terminated(communication)

    return tell


def stoppable_from_the_start(start: Callable[[Any], None]) -> Callable[[Any], None]:
    """Give an execution what stops it before its thread runs, not by its thread."""

    def start_stoppable(worker: Any) -> None:
        worker.env = worker._get_evaluation_environment()  # noqa: SLF001 moto has no other door
        worker._get_evaluation_environment = lambda: worker.env  # noqa: SLF001 as above
        start(worker)

    return start_stoppable
