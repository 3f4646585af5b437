"""No room for a file: a named error, no output, nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blur_container.scratch import clear_leftovers, scratch_folder
from chalicelib.contract.errors import ScratchFull
from tests.end_to_end.conftest import ROOT

# One step of the container's functions, in a process whose files have room for so many bytes; the output
# is larger than the source.
LIMITED = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from tests.media.functions.test_segment_functions import RENDER, SETTINGS, Functions
functions = Functions.on(Path(sys.argv[1]))
functions.settings = replace(SETTINGS, render=replace(RENDER, crf=1))
run = functions.until(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    run()
except Exception as error:
    print(type(error).__name__, functions.output)
"""

FULL_FROM_THE_START = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from blur_container.scratch import scratch_folder
try:
    with scratch_folder() as folder:
        (folder / "source").write_bytes(b"a")
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit works on Linux")
@pytest.mark.parametrize(
    ("step", "room_bytes"),
    [("plan", 1000), ("segment", 1000), ("assembly", 1000), ("whole", 1000), ("whole", 20_000)],
)
def test_a_full_tmp_is_named_and_leaves_no_output(tmp_path: Path, step: str, room_bytes: int) -> None:
    """Wherever it is noticed: in the blocks kept of an object, in a download, or last by FFmpeg."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path), step, str(room_bytes)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    assert ended.stdout.split() == ["ScratchFull", "None"]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit works on Linux")
def test_a_tmp_that_is_full_from_the_start_is_named(tmp_path: Path) -> None:
    """Another invocation has filled it: not one byte can be written, the folder is there."""
    command = [sys.executable, "-c", FULL_FROM_THE_START]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}

    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stdout.split() == ["ScratchFull"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_the_folder_goes_when_there_was_no_room(tmp_path: Path, number: int) -> None:
    """A scratch folder is removed after any of the system's errors for a full disk."""
    with pytest.raises(ScratchFull, match="EphemeralStorage"), scratch_folder(tmp_path):
        raise OSError(number, os.strerror(number))

    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_files_keep_their_names(tmp_path: Path) -> None:
    """A file that is missing is no full disk."""
    with pytest.raises(FileNotFoundError), scratch_folder(tmp_path) as folder:
        (folder / "missing").read_bytes()


def test_files_of_killed_invocations_go(tmp_path: Path) -> None:
    """Scratch folders of killed invocations are removed from /tmp; files of others stay."""
    (tmp_path / "blur-faces-killed").mkdir()
    (tmp_path / "blur-faces-killed" / "source").write_bytes(b"a face")
    (tmp_path / "others").mkdir()

    assert clear_leftovers(tmp_path) == 1

    assert [place.name for place in tmp_path.iterdir()] == ["others"]


def test_lambda_clears_its_tmp_when_it_starts_a_function_anew(tmp_path: Path) -> None:
    """Importing the handler does it; on a machine that is no Lambda, others may be at work there."""
    (tmp_path / "blur-faces-killed").mkdir()
    command = [sys.executable, "-c", "import blur_container.handler"]
    machine = {**os.environ, "TMPDIR": str(tmp_path)}

    subprocess.run(command, cwd=ROOT, env=machine, check=True, timeout=60)
    kept = list(tmp_path.iterdir())
    subprocess.run(command, cwd=ROOT, env={**machine, "AWS_LAMBDA_RUNTIME_API": "x"}, check=True, timeout=60)

    assert len(kept) == 1
    assert list(tmp_path.iterdir()) == []
