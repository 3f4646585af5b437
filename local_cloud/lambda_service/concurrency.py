"""The account's concurrency limit over all functions: calls above it are refused, events wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TooManyInvocations(Exception):
    """The account runs as many invocations at once as its limit allows."""


class AccountLimit:
    """The concurrent invocations of one account; None means no limit."""

    def __init__(self, invocations: int | None) -> None:
        self._places = None if invocations is None else threading.Semaphore(invocations)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Count one invocation during the context; raise TooManyInvocations at the limit."""
        if self._places is None:
            yield
            return
        if not self._places.acquire(blocking=False):
            raise TooManyInvocations("Rate Exceeded.")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Count one invocation during the context; wait at the limit, as Lambda keeps events for 6 h."""
        if self._places is None:
            yield
            return
        with self._places:
            yield
