"""Sandboxes shared by threads: each test forces the order in which another thread comes in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from local_cloud.lambda_service.invocations import Invocations, LostEvent, SandboxPool
from local_cloud.lambda_service.registry import Function
from local_cloud.lambda_service.sandbox import Invocation, Outcome, Sandbox

PATIENCE_S = 10.0


def function(revision: int = 1) -> Function:
    """Return a revision of a function."""
    return Function("f", "arn:f", "tiny.handler", Path(), 3, 128, "python3.11", revision=revision)


class FakeSandbox:
    """Does what it is told to while it is invoked, and notes what is done to it."""

    def __init__(self, of: Function, during: Callable[[], object] = lambda: None) -> None:
        self.function = of
        self.is_alive = True
        self.is_closed = False
        self.invoked: list[bytes] = []
        self._during = during

    def invoke(self, invocation: Invocation) -> Outcome:
        """Answer with the revision of the function."""
        self.invoked.append(invocation.payload)
        self._during()
        return Outcome(str(self.function.revision).encode())

    def kill(self) -> None:
        """End."""
        self.is_alive = False

    def close(self) -> None:
        """Be gone."""
        self.kill()
        self.is_closed = True


class LockWithAGap:
    """A lock; once `is_armed`, what another thread would do right after a release is done there, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_armed = False
        self.in_the_gap: Callable[[], object] = lambda: None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 as threading has it
        """Take the lock."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Give the lock back, and let the other in."""
        self._lock.release()
        if self.is_armed:
            self.is_armed = False
            self.in_the_gap()

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self._lock.locked()

    def __enter__(self) -> bool:
        """Take the lock."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.release()


class Started:
    """Starts fake sandboxes and remembers them."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.sandboxes: list[FakeSandbox] = []
        self._during = during

    def __call__(self, of: Function) -> Sandbox:
        """Start one."""
        self.sandboxes.append(FakeSandbox(of, self._during))
        return cast("Sandbox", self.sandboxes[-1])


def invocations(start: Started, **options: Any) -> Invocations:
    """Return invocations with a sandbox for each function."""
    return Invocations(start, lambda _function: 1, (), **options)


def test_sandbox_given_back_may_be_taken_at_once() -> None:
    """It is idle and not busy any more in one step: another invocation takes it, ends, and gives it back."""
    lock = LockWithAGap()
    start = Started(during=lambda: setattr(lock, "is_armed", not start.sandboxes[0].invoked[1:]))
    pool = SandboxPool(function(), start, 2, lock)
    lock.in_the_gap = lambda: pool.invoke(Invocation(b"second"))

    pool.invoke(Invocation(b"first"))

    assert [sandbox.invoked for sandbox in start.sandboxes] == [[b"first", b"second"]]
    pool.close()


def test_no_sandbox_takes_another_event_while_it_is_struck() -> None:
    """What strikes one upload never strikes the next one in the same sandbox."""
    lock = LockWithAGap()
    held: list[bool] = []
    start = Started(during=lambda: pool.act_on(b"first", lambda _sandbox: held.append(lock.locked())))
    pool = SandboxPool(function(), start, 1, lock)

    pool.invoke(Invocation(b"first"))
    pool.invoke(Invocation(b"other"))

    assert held == [True]
    pool.close()


def test_closing_ends_invocations_of_a_function_that_was_updated_meanwhile() -> None:
    """Their sandboxes belong to no current function, and still to the cloud."""
    begun = threading.Event()
    killed = threading.Event()

    def run_until_killed() -> None:
        begun.set()
        killed.wait(PATIENCE_S)

    start = Started(during=run_until_killed)
    running = invocations(start)
    with ThreadPoolExecutor(1) as threads:
        outcome = threads.submit(running.invoke, function(), Invocation(b"{}"))
        assert begun.wait(PATIENCE_S)
        running.retire("f")
        setattr(start.sandboxes[0], "kill", killed.set)  # noqa: B010 mypy takes no assignment to a method

        running.close()

        assert outcome.done()
    assert start.sandboxes[0].is_closed


def test_caller_who_knew_an_older_revision_does_not_bring_it_back() -> None:
    """A call that was under way while its function was updated leaves nothing old behind for the next."""
    start = Started()
    running = invocations(start)
    running.invoke(function(1), Invocation(b"{}"))
    running.retire("f")
    late = running.invoke(function(1), Invocation(b"{}"))

    answers = [running.invoke(function(revision), Invocation(b"{}")).payload for revision in (2, 1)]

    assert (late.payload, answers) == (b"1", [b"2", b"2"])
    assert [sandbox.is_closed for sandbox in start.sandboxes] == [True, True, False]
    running.close()


def test_lost_event_is_kept_though_its_dead_letter_fails() -> None:
    """What cannot be told to a queue is not lost a second time."""

    class AlwaysFailing(Started):
        """Starts sandboxes whose every invocation fails."""

        def __call__(self, of: Function) -> Sandbox:
            """Start one."""
            sandbox = super().__call__(of)
            setattr(sandbox, "invoke", lambda _event: Outcome(b"{}", "Unhandled"))  # noqa: B010 as above
            return sandbox

    told = threading.Event()

    def refuse(_event: LostEvent) -> None:
        told.set()
        raise OSError("the queue is not there")

    running = invocations(AlwaysFailing(), on_lost=refuse)
    running.enqueue(function, "f", Invocation(b'{"key": 1}'))

    assert told.wait(PATIENCE_S)
    running.close()
    assert [event.payload for event in running.lost_events] == [b'{"key": 1}']


@pytest.mark.parametrize("is_retired", [False, True])
def test_closed_pool_has_no_sandbox_left(*, is_retired: bool) -> None:
    """The idle one is closed, whether it was given back before or after its function was updated."""
    start = Started(during=lambda: pool.retire() if is_retired else None)
    pool = SandboxPool(function(), start, 1)
    pool.invoke(Invocation(b"{}"))

    pool.close()

    assert [sandbox.is_closed for sandbox in start.sandboxes] == [True]
