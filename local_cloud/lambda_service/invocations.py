"""Invocations of all functions: sandboxes up to a limit, callers that wait for one, and queued events."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from local_cloud.lambda_service.concurrency import AccountLimit
from local_cloud.lambda_service.registry import Function
from local_cloud.lambda_service.sandbox import Invocation, Outcome, Sandbox

SandboxStarter = Callable[[Function], Sandbox]


@dataclass(frozen=True)
class LostEvent:
    """An event on which its function failed in every try."""

    function_name: str
    payload: bytes
    error: bytes


class CloudClosed(Exception):
    """The local cloud is closing and starts nothing new."""


class SandboxPool:
    """The sandboxes of one revision of one function; `lock` guards the lists of idle and busy ones."""

    def __init__(
        self,
        function: Function,
        start: SandboxStarter,
        concurrency: int,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.function = function
        self._start = start
        self._places = threading.Semaphore(concurrency)
        self._is_quiet = threading.Condition(lock)  # type: ignore[arg-type]  # whatever locks will do
        self._lock = self._is_quiet
        self._idle: list[Sandbox] = []
        self._busy: dict[Sandbox, Invocation] = {}
        self._is_retired = False
        self._is_closed = False

    def invoke(self, invocation: Invocation) -> Outcome:
        """Return the outcome of the event in an idle sandbox or a new one; wait while all are busy."""
        with self._places:
            sandbox = self._take(invocation)
            try:
                return sandbox.invoke(invocation)
            finally:
                # One that cannot be reused stays busy until its process and folder are gone: close() waits.
                if not self._put_back(sandbox):
                    sandbox.close()
                    with self._is_quiet:
                        del self._busy[sandbox]
                        self._is_quiet.notify_all()

    def act_on(self, text: bytes, act: Callable[[Sandbox], None]) -> None:
        """Call `act` with each sandbox whose current event contains `text`, before it can take another."""
        with self._lock:
            for sandbox, invocation in self._busy.items():
                if text in invocation.payload:
                    act(sandbox)

    def retire(self) -> None:
        """Stop the idle sandboxes now, and the busy ones when they are done."""
        with self._lock:
            self._is_retired = True
            idle, self._idle = self._idle, []
        for sandbox in idle:
            sandbox.close()

    def close(self) -> None:
        """Kill every process, and wait for the invocations that fail by it."""
        with self._lock:
            self._is_closed = True
            busy = list(self._busy)
        self.retire()
        for sandbox in busy:
            sandbox.kill()
        with self._is_quiet:
            self._is_quiet.wait_for(lambda: not self._busy)

    def _take(self, invocation: Invocation) -> Sandbox:
        with self._lock:
            if self._is_closed:
                raise CloudClosed(self.function.name)
            while self._idle:
                sandbox = self._idle.pop()
                if sandbox.is_alive:
                    self._busy[sandbox] = invocation
                    return sandbox
                sandbox.close()
            # Started under the lock, so that close() sees every process.
            sandbox = self._start(self.function)
            self._busy[sandbox] = invocation
            return sandbox

    def _put_back(self, sandbox: Sandbox) -> bool:
        """Make a busy sandbox idle in one step; return False, and change nothing, if it cannot be reused."""
        with self._is_quiet:
            if self._is_retired or not sandbox.is_alive:
                return False
            del self._busy[sandbox]
            self._idle.append(sandbox)
            self._is_quiet.notify_all()
            return True


class Invocations:
    """The sandbox pool and the event queue of each function."""

    def __init__(
        self,
        start: SandboxStarter,
        concurrency_of: Callable[[Function], int],
        retry_delays_s: tuple[float, ...],
        on_lost: Callable[[LostEvent], None] = lambda _event: None,
        limit: AccountLimit | None = None,
    ) -> None:
        self._limit = limit or AccountLimit(None)
        self._on_lost = on_lost
        self.lost_events: list[LostEvent] = []
        self._start = start
        self._concurrency_of = concurrency_of
        self._retry_delays_s = retry_delays_s
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._pools: dict[str, SandboxPool] = {}
        # Their busy sandboxes still run, and some callers are about to use them.
        self._retired: list[SandboxPool] = []
        self._queues: dict[str, ThreadPoolExecutor] = {}

    def invoke(self, function: Function, invocation: Invocation) -> Outcome:
        """Return the outcome of the event; raise TooManyInvocations over the account's limit."""
        with self._limit.at_once():
            return self._pool(function).invoke(invocation)

    def enqueue(self, find: Callable[[], Function | None], name: str, invocation: Invocation) -> None:
        """Queue an event, with retries; `find` returns the function as it is deployed at each try."""
        with self._lock:
            if self._closing.is_set():
                raise CloudClosed(name)
            queue = self._queues.get(name)
            if queue is None:
                function = find()
                workers = self._concurrency_of(function) if function else 1
                queue = ThreadPoolExecutor(workers, thread_name_prefix=f"events-{name}")
                self._queues[name] = queue
            queue.submit(self._deliver, find, name, invocation)

    def act_on(self, name: str, text: str, act: Callable[[Sandbox], None]) -> None:
        """Call `act` with each sandbox of the function `name` whose current event contains `text`."""
        with self._lock:
            pool = self._pools.get(name)
        if pool is not None:
            pool.act_on(text.encode(), act)

    def retire(self, name: str) -> None:
        """Stop the sandboxes of a function that was updated or deleted."""
        with self._lock:
            pool = self._pools.pop(name, None)
            if pool is not None:
                self._retired.append(pool)
        if pool is not None:
            pool.retire()

    def close(self) -> None:
        """Kill every process and wait for every queue."""
        with self._lock:
            self._closing.set()
            pools, queues = [*self._pools.values(), *self._retired], list(self._queues.values())
        for pool in pools:
            pool.close()
        for queue in queues:
            queue.shutdown(wait=True, cancel_futures=True)

    def _pool(self, function: Function) -> SandboxPool:
        """Return the pool of the newest revision asked for so far: callers may know an older one."""
        with self._lock:
            if self._closing.is_set():
                raise CloudClosed(function.name)
            pool = self._pools.get(function.name)
            if pool is not None and pool.function.revision >= function.revision:
                return pool
            if pool is not None:
                self._retired.append(pool)
            newer = SandboxPool(function, self._start, self._concurrency_of(function))
            self._pools[function.name] = newer
        if pool is not None:
            pool.retire()
        return newer

    def _deliver(self, find: Callable[[], Function | None], name: str, invocation: Invocation) -> None:
        """Try an event until it succeeds; after the last retry, report it as lost."""
        outcome = self._attempt(find, invocation)
        for delay_s in self._retry_delays_s:
            if not outcome.function_error or self._closing.wait(delay_s):
                return
            outcome = self._attempt(find, invocation)
        if outcome.function_error and not self._closing.is_set():
            error = outcome.payload.decode("utf-8", "replace")
            print(f"local cloud: event of {name} was lost after its last retry: {error}", file=sys.stderr)
            lost = LostEvent(name, invocation.payload, outcome.payload)
            # Kept last: a caller that sees it here also finds it in its dead-letter queue.
            try:
                self._on_lost(lost)
            finally:
                self.lost_events.append(lost)

    def _attempt(self, find: Callable[[], Function | None], invocation: Invocation) -> Outcome:
        function = find()
        if function is None:
            return Outcome(b'{"errorType": "ResourceNotFoundException"}', "Unhandled")
        try:
            with self._limit.in_line():
                return self._pool(function).invoke(invocation)
        except CloudClosed:
            return Outcome(b"", "Unhandled")
