"""Fork server: a process that has imported the runtime's packages, and forks each sandbox from itself.

Run as a program, it takes the file descriptor of a Unix socket. A request is the JSON of a Start with the
writing end of a pipe. The forked process writes its process id to the pipe; the server adds the exit code.
When the socket closes, the server kills what still runs and ends. It imports nothing of this project.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LARGEST_REQUEST_BYTES = 128 * 1024
# Read by functions of this system; botocore takes a tenth of a second for each.
_SERVICES = ("s3", "stepfunctions", "rekognition")


class ForkServer:
    """Forks processes on request, and reports how they ended."""

    def __init__(self, requests: socket.socket, made_variables: dict[str, str]) -> None:
        self._requests = requests
        self._made_variables = made_variables
        self._pipes: dict[int, int] = {}
        self._wakeup, self._waker = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Callable[[], Any] | None:
        """Serve until the socket closes; in a forked process, return its program."""
        requests = self._requests.fileno()
        while True:
            ready, _, _ = select.select([requests, self._wakeup], [], [])
            if self._wakeup in ready:
                with suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
                self._report_ended()
            if requests in ready:
                message, pipes, _, _ = socket.recv_fds(self._requests, LARGEST_REQUEST_BYTES, 1)
                if not message:
                    self._kill_all()
                    return None
                pid = os.fork()
                if pid == 0:
                    return self._forked(json.loads(message), pipes[0])
                self._pipes[pid] = pipes[0]

    def _report_ended(self) -> None:
        for pid, pipe in list(self._pipes.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pipes[pid]
                # The caller may have gone.
                with suppress(BrokenPipeError):
                    os.write(pipe, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
                os.close(pipe)

    def _kill_all(self) -> None:
        for pid in self._pipes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _forked(self, start: dict[str, Any], pipe: int) -> Callable[[], Any]:
        """Make this process what a new one would be, and return its program."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._requests.close()
        for descriptor in (self._wakeup, self._waker, *self._pipes.values()):
            os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(start["output"], os.O_WRONLY | os.O_APPEND)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(output)
        os.chdir(start["folder"])
        os.environ.clear()
        os.environ.update({**self._made_variables, **start["environment"]})
        time.tzset()
        tempfile.tempdir = None
        sys.path.insert(0, start["path"])
        sys.argv[:] = ["", *start["arguments"]]
        # The other processes read it: the code of a function is compiled once.
        sys.dont_write_bytecode = False
        if numpy := sys.modules.get("numpy"):
            # The others have the same.
            numpy.random.seed()
        os.write(pipe, f"pid {os.getpid()}\n".encode())
        os.close(pipe)
        program = start["program"]
        if program.endswith(".py"):
            return lambda: runpy.run_path(program, run_name="__main__")
        return lambda: runpy.run_module(program, run_name="__main__", alter_sys=True)


def load(packages: list[str]) -> None:
    """Import `packages`, and read the descriptions of services that boto3's clients are made from."""
    for name in packages:
        importlib.import_module(name)
    boto3 = importlib.import_module("boto3")
    boto3.setup_default_session()
    loader = boto3.DEFAULT_SESSION._session.get_component("data_loader")  # noqa: SLF001 boto3 has no public name for it
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    for service in _SERVICES:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)


def main() -> None:
    """Import the packages named on the command line, and serve; in a forked process, run its program."""
    descriptor, *packages = sys.argv[1:]
    before = dict(os.environ)
    del sys.path[0]  # The folder of this file.
    load(packages)
    made = {name: value for name, value in os.environ.items() if before.get(name) != value}
    with socket.socket(fileno=int(descriptor)) as requests:
        program = ForkServer(requests, made).serve()
        if program is not None:
            program()


if __name__ == "__main__":
    main()
