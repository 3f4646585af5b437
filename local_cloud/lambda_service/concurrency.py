"""The account's limit of invocations at once, over all functions: calls are refused, events wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TooManyInvocations(Exception):
    """The account runs as many invocations as it may."""


class AccountLimit:
    """The places for invocations of one account; None is no limit."""

    def __init__(self, invocations: int | None) -> None:
        self._places = None if invocations is None else threading.Semaphore(invocations)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Take a place for the time of the context; raise TooManyInvocations where none is free."""
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
        """Take a place for the time of the context, once one is free: Lambda keeps events for 6 h."""
        if self._places is None:
            yield
            return
        with self._places:
            yield
