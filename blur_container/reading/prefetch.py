"""Decode ahead: a thread reads frames while the caller uses earlier ones."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from queue import Empty, Queue
from typing import TypeVar

_WAKE_S = 0.05
EntryT = TypeVar("EntryT")


def read_ahead(source: Generator[EntryT, None, None], depth: int) -> Generator[EntryT, None, None]:
    """Yield what `source` yields, produced up to `depth` ahead in a thread of its own.

    An error of `source` surfaces here as itself. Closing this generator ends the thread.
    """
    queue: Queue[EntryT | _End] = Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_pump, args=(source, queue, stopped), name="reader")
    thread.start()
    try:
        while not isinstance(entry := queue.get(), _End):
            yield entry
        if entry.error is not None:
            raise entry.error
    finally:
        stopped.set()
        _drain(queue, thread)


class _End:
    """The last entry of a queue: why nothing follows."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _pump(
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


def _drain(queue: Queue[EntryT | _End], thread: threading.Thread) -> None:
    # A thread that waits for a free place has to be let go, or it never ends.
    while thread.is_alive():
        try:
            queue.get(timeout=_WAKE_S)
        except Empty:
            continue
    thread.join()
