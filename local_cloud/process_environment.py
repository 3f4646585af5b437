"""The process that the local cloud lives in: one cloud at a time, with variables and logging of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_ONE_AT_A_TIME = threading.Lock()


class CloudBusy(Exception):
    """This process has a local cloud already; moto keeps its state once per process."""


def claim_process(opening: ExitStack) -> None:
    """Let this process have no other local cloud while `opening` is open; raise CloudBusy if it has one."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise CloudBusy("close the other local cloud of this process first")
    opening.callback(_ONE_AT_A_TIME.release)
    opening.enter_context(_quiet_interpreter())


@contextmanager
def _quiet_interpreter() -> Iterator[None]:
    """Keep moto's interpreter from printing each failed state; a caller's own logging still gets it."""
    logger, handler = logging.getLogger("moto.stepfunctions"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def process_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set `variables` in this process while open: moto's interpreter makes its boto3 clients from them."""
    touched = {name for name in os.environ if name.startswith("AWS_")} | variables.keys()
    before = {name: os.environ.pop(name) for name in touched if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in touched:
            os.environ.pop(name, None)
        os.environ.update(before)
