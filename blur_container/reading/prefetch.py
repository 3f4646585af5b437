"""Prefetching: a thread reads frames ahead while the caller uses earlier ones."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing, suppress
from queue import Empty, Queue
from typing import TypeVar

_WAKE_S = 0.05
EntryT = TypeVar("EntryT")


def read_ahead(source: Generator[EntryT, None, None], depth: int) -> Generator[EntryT, None, None]:
    """Yield what `source` yields; a thread reads up to `depth` entries ahead.

    An error in `source` is raised here. Closing this generator ends the thread.
    """
    queue: Queue[EntryT | _End] = Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(source, queue, stopped), name="reader")
    thread.start()
    try:
        while not isinstance(entry := queue.get(), _End):
            yield entry
        if entry.error is not None:
            raise entry.error
    finally:
        stopped.set()
        # A thread that waits for a free place never ends: empty the queue until it has.
        while thread.is_alive():
            with suppress(Empty):
                queue.get(timeout=_WAKE_S)
        thread.join()


class _End:
    """The last entry of a queue, with the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _fill(
    source: Generator[EntryT, None, None], queue: Queue[EntryT | _End], stopped: threading.Event
) -> None:
    try:
        with closing(source):
            for entry in source:
                queue.put(entry)
                if stopped.is_set():
                    break
    except BaseException as error:  # noqa: BLE001 handed over: the reading side raises it
        queue.put(_End(error))
    else:
        queue.put(_End(None))
