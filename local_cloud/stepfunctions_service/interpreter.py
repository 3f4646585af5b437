"""Patches moto's interpreter of state machines: it calls in the machine's role, and its races are closed.

The interpreter runs in threads of its own, which the locks in front of moto do not cover.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Any

from botocore.config import Config

from local_cloud.http.access_keys import AccessKeys, Caller
from local_cloud.http.clients import make_client
from local_cloud.identity import ACCOUNT_ID, INTERPRETER

_STATES = "states.amazonaws.com"
_MODULES = "moto.stepfunctions."
_NAME = "boto_client_for"
# A task ends by its own timeout.
_CONFIG = Config(
    parameter_validation=False,
    retries={"max_attempts": 0, "total_max_attempts": 1},
    connect_timeout=99_999_999,
    read_timeout=99_999_999,
    max_pool_connections=50,
)


class Interpreter:
    """Patches of moto's interpreter, undone by `close`; `lock` is the one that is held while moto answers.

    `ended` is called with the ARN, the state machine's ARN and the status of each execution that ended.
    """

    def __init__(
        self,
        keys: AccessKeys,
        lock: AbstractContextManager[Any],
        ended: Callable[[str, str, str], None],
    ) -> None:
        self._keys = keys
        self._lock = lock
        self._ended = ended
        self._changes = ExitStack()

    def change(self) -> None:
        """Load and patch the interpreter; loading takes a second."""
        from moto.stepfunctions.parser import models  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.asl.parse import asl_parser  # noqa: PLC0415 see above
        from moto.stepfunctions.parser.backend import execution, execution_worker  # noqa: PLC0415 see above

        ending, worker = execution.BaseExecutionWorkerCommunication, execution_worker.ExecutionWorker
        clients = RoleClients(self._keys)
        self._changes.callback(clients.close)
        # Each of these modules has imported the function by its name.
        for name, module in list(sys.modules.items()):
            if name.startswith(_MODULES) and hasattr(module, _NAME):
                self._replace(module, _NAME, clients.get)
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


class RoleClients:
    """Makes and caches the interpreter's boto3 clients; each signs with a session of the machine's role."""

    def __init__(self, keys: AccessKeys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}

    def get(self, region: str, service: str, state_credentials: Any = None) -> Any:
        """Return the client for `service` that calls in the role of `state_credentials`."""
        role_arn = str(state_credentials.role_arn)
        key = self._keys.issue(Caller(INTERPRETER, role_arn, _STATES, _machine_of(role_arn)))
        with self._lock:
            from moto.settings import moto_server_port  # noqa: PLC0415 moto loads in half a second

            if (region, service, key.key_id) not in self._clients:
                self._clients[region, service, key.key_id] = make_client(
                    service_name=service,
                    region_name=region,
                    endpoint_url=f"http://localhost:{moto_server_port()}",
                    aws_access_key_id=key.key_id,
                    aws_secret_access_key=key.secret,
                    aws_session_token=key.token,
                    config=_CONFIG,
                )
            return self._clients[region, service, key.key_id]

    def close(self) -> None:
        """Close every client."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def _machine_of(role_arn: str) -> str:
    """Return the ARN of a state machine with this role: Step Functions names it where it assumes the role."""
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends  # noqa: PLC0415 loading takes a second

    backends = stepfunctions_parser_backends[ACCOUNT_ID].values()
    machines = [machine for backend in backends for machine in backend.state_machines]
    return next((str(one.arn) for one in machines if one.roleArn == role_arn), "")


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
