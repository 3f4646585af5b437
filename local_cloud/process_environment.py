"""The process of the local cloud: one cloud at a time, with its own variables and logging."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_ONE_AT_A_TIME = threading.Lock()


class CloudBusy(Exception):
    """This process already has a local cloud; moto keeps its state once per process."""


def claim_process(opening: ExitStack) -> None:
    """Reserve this process for one local cloud until `opening` closes; raise CloudBusy if it is reserved."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise CloudBusy("this process already has a local cloud: close that first")
    opening.callback(_ONE_AT_A_TIME.release)
    opening.enter_context(_quiet_interpreter())


@contextmanager
def _quiet_interpreter() -> Iterator[None]:
    """Keep moto's interpreter from printing failed states; a logging setup of the caller still gets them."""
    logger, handler = logging.getLogger("moto.stepfunctions"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def process_environment(variables: dict[str, str]) -> Iterator[None]:
    """Replace the AWS variables of this process by `variables`: moto's interpreter reads them."""
    touched = {name for name in os.environ if name.startswith("AWS_")} | variables.keys()
    before = {name: os.environ.pop(name) for name in touched if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in touched:
            os.environ.pop(name, None)
        os.environ.update(before)
