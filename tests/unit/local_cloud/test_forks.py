"""Processes of sandboxes: a forked one is what a new one would be, and none outlives its server."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_cloud.lambda_service.forks import Forks, Running, Start
from local_cloud.lambda_service.registry import Function

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has fork servers")

TELL = """
import json, os, sys
import urllib3
print(json.dumps({
    "environment": dict(os.environ), "folder": os.getcwd(), "arguments": sys.argv[1:], "path": sys.path[:2],
    "group": os.getpgid(0), "pid": os.getpid(), "parent": os.getppid(), "urllib3": urllib3.__file__,
    "name": __name__, "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
}))
"""
LIVES = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    """Return the fork servers of a test."""
    opened = Forks(tmp_path)
    yield opened
    opened.close()


def started(forks: Forks, folder: Path, code: str, **variables: str) -> Running:
    """Return a process that runs `code`, as a function with these variables."""
    script, output = folder / "program.py", folder / "output"
    script.write_text(code)
    output.write_text("")
    function = Function("f", "arn:f", "tiny.handler", folder, 3, 128, "python3.11", variables)
    environment = {**variables, "PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "COLOUR": "grey"}
    return forks.start(function, Start(str(script), ("one", "two"), folder, environment, output))


def told(forks: Forks, folder: Path, **variables: str) -> dict[str, Any]:
    """Return what a process tells of itself."""
    assert started(forks, folder, TELL, **variables).wait() == 0
    found: dict[str, Any] = json.loads((folder / "output").read_text())
    return found


def wait_until_up(folder: Path) -> None:
    """Wait until a process has printed its first line."""
    deadline_s = time.monotonic() + 60
    while "up" not in (folder / "output").read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_forked_process_has_its_own_environment_folder_and_arguments(forks: Forks, tmp_path: Path) -> None:
    """It has the variables of its start and no others, and reads no descriptor of the server."""
    found = told(forks, tmp_path)

    assert found["environment"] == {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "COLOUR": "grey"}
    assert (found["folder"], found["arguments"]) == (str(tmp_path), ["one", "two"])
    assert (found["path"][0], found["name"]) == (str(tmp_path), "__main__")
    assert found["descriptors"][:3] == [0, 1, 2]
    assert len(found["descriptors"]) == 4  # The last one lists them.


def test_forked_process_is_a_session_of_its_own(forks: Forks, tmp_path: Path) -> None:
    """It is forked from a server, and leads its own group: a kill ends it with its children only."""
    found = told(forks, tmp_path)

    assert found["parent"] != os.getpid()
    assert found["group"] == found["pid"]


def test_function_with_a_package_of_its_own_gets_it(forks: Forks, tmp_path: Path) -> None:
    """Code of the function comes before the packages of the runtime, as on Lambda."""
    (tmp_path / "urllib3.py").write_text("")

    found = told(forks, tmp_path)

    assert found["urllib3"] == str(tmp_path / "urllib3.py")
    assert found["parent"] == os.getpid()


def test_variable_that_is_read_at_loading_counts(forks: Forks, tmp_path: Path) -> None:
    """A process that a variable of the interpreter or a library concerns is a new one."""
    found = told(forks, tmp_path, OMP_NUM_THREADS="1")

    assert found["environment"]["OMP_NUM_THREADS"] == "1"
    assert found["parent"] == os.getpid()


@pytest.mark.parametrize(
    ("code", "wanted"),
    [("", 0), ("import sys\nsys.exit(3)\n", 3), ("raise ValueError\n", 1), ("import os\nos.abort()\n", -6)],
)
def test_exit_code_is_reported(forks: Forks, tmp_path: Path, code: str, wanted: int) -> None:
    """A forked process ends with the exit code of a new one, negative for a signal."""
    assert started(forks, tmp_path, code).wait() == wanted


def test_running_process_has_no_exit_code(forks: Forks, tmp_path: Path) -> None:
    """The exit code is None while the process runs, and stays the same once it has ended."""
    process = started(forks, tmp_path, LIVES)
    running = process.poll()
    os.kill(process.pid, signal.SIGTERM)

    assert running is None
    assert [process.wait(), process.poll()] == [-signal.SIGTERM] * 2


def test_closing_ends_what_was_forked(tmp_path: Path) -> None:
    """No process outlives the cloud, not even one that nobody has killed."""
    forks = Forks(tmp_path)
    process = started(forks, tmp_path, LIVES)
    wait_until_up(tmp_path)

    forks.close()

    assert process.wait() == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)


def test_processes_are_started_without_their_server(forks: Forks, tmp_path: Path) -> None:
    """If the fork server was killed, new processes are started."""
    psutil.Process(told(forks, tmp_path)["parent"]).kill()

    found = told(forks, tmp_path)

    assert found["parent"] == os.getpid()
