"""Starts the processes of sandboxes: forked from a server that has imported the packages, or new ones."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from local_cloud.lambda_service.fork_server import LARGEST_REQUEST_BYTES
from local_cloud.lambda_service.registry import Function

_SERVER = Path(__file__).with_name("fork_server.py")
_RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "urllib3", "jmespath", "dateutil", "six")
_IMAGE_PACKAGES = ("numpy", "cv2", "av")
# The interpreter or a package reads these when it is loaded, which a forked process does not do again.
_READ_AT_LOADING = ("PYTHON", "LD_", "MALLOC_", "OMP_", "OPENBLAS_", "OPENCV_", "BOTO_", "AWS_DATA_PATH")
_ENDING_S = 10.0


@dataclass(frozen=True)
class Start:
    """One process to fork: a Python file or module, its arguments, folder, environment and output."""

    program: str
    arguments: tuple[str, ...]
    folder: Path
    environment: dict[str, str]
    output: Path


class Running(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int:
        """Return the process id."""

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""

    def wait(self) -> int:
        """Wait for the end of the process, and return the exit code."""


class Forks:
    """The fork servers of one local cloud, each started by the first process that is forked from it.

    Only Linux has them: elsewhere a process that has loaded system libraries cannot be forked safely.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._servers: dict[bool, _Server] = {}

    def start(self, function: Function, start: Start) -> Running:
        """Start a process of `function` in a session of its own."""
        packages = (*_RUNTIME_PACKAGES, *(_IMAGE_PACKAGES if function.is_image else ()))
        if sys.platform == "linux" and not _needs_own_imports(function, packages):
            with self._lock:
                if function.is_image not in self._servers:
                    self._servers[function.is_image] = _Server(packages, start.environment, self._folder)
                server = self._servers[function.is_image]
            forked = server.fork(start)
            if forked is not None:
                return forked
        return _start_new(start)

    def close(self) -> None:
        """End the servers, and all processes forked from them."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()


class _Server:
    """One fork server."""

    def __init__(self, packages: tuple[str, ...], environment: dict[str, str], folder: Path) -> None:
        passed_on = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "PYTHONUNBUFFERED")
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-B", str(_SERVER), str(theirs.fileno()), *packages],
                cwd=folder,
                env={
                    **{name: environment[name] for name in passed_on if name in environment},
                    "HOME": str(folder),
                },
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def fork(self, start: Start) -> Running | None:
        """Return a process that runs `start`, or None where the server cannot fork one."""
        request = {
            "program": start.program,
            "arguments": start.arguments,
            "folder": str(start.folder),
            "path": start.environment["PYTHONPATH"],
            "environment": start.environment,
            "output": str(start.output),
        }
        message = json.dumps(request).encode()
        if len(message) > LARGEST_REQUEST_BYTES:
            return None
        reading, writing = os.pipe()
        reports = os.fdopen(reading, "rb", buffering=0)
        try:
            with self._lock:
                socket.send_fds(self._requests, [message], [writing])
        except OSError:
            reports.close()
            return None
        finally:
            os.close(writing)
        word, _, pid = reports.readline().decode().partition(" ")
        if word == "pid":
            return _Forked(int(pid), reports)
        reports.close()
        return None

    def close(self) -> None:
        """End the server and what was forked from it."""
        self._requests.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_S)
        self._process.kill()
        self._process.wait()


class _Forked:
    """A process that a fork server forked; the server reports its exit code."""

    def __init__(self, pid: int, reports: IO[bytes]) -> None:
        self.pid = pid
        self._reports = reports
        self._lock = threading.Lock()
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._read(0)

    def wait(self) -> int:
        """Wait for the end of the process, and return the exit code."""
        code = self._read(None)
        if code is None:
            raise RuntimeError(f"process {self.pid} was waited for, and its fork server reported nothing")
        return code

    def _read(self, wait_ms: int | None) -> int | None:
        with self._lock:
            if self._exit_code is None:
                waiting = select.poll()
                waiting.register(self._reports, select.POLLIN)
                if waiting.poll(wait_ms):
                    word, _, code = self._reports.readline().decode().partition(" ")
                    # Without a report the server was killed, and its processes with it.
                    self._exit_code = int(code) if word == "exit" else -signal.SIGKILL
                    self._reports.close()
            return self._exit_code


def _needs_own_imports(function: Function, packages: tuple[str, ...]) -> bool:
    """Return whether `function` brings packages of its own, or variables that are read at loading."""
    folder = function.code_folder
    brings = any((folder / name).exists() or (folder / f"{name}.py").exists() for name in packages)
    return brings or any(name.startswith(_READ_AT_LOADING) for name in function.variables)


def _start_new(start: Start) -> Running:
    program = [start.program] if start.program.endswith(".py") else ["-m", start.program]
    with start.output.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-B", *program, *start.arguments],
            cwd=start.folder,
            env=start.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
