"""`python -m blur_container render`: a verified file and its manifest, or one sentence and nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blur_container.__main__ import main
from blur_container.rendering.progress import Progress, ProgressBar, bar_text
from tests.checks.readback import detail, shown_frames
from tests.clips import Clip, Face, document_of, faces_document, make_clip

ROOT = Path(__file__).parent.parent.parent
CLIP = Clip(faces=[Face()], seconds=0.4)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def run(folder: Path, *options: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Render in.mp4 to out.mp4 in `folder`; return the exit code and what was said of errors."""
    err = io.StringIO()
    command = ["render", f"{folder}/in.mp4", f"{folder}/out.mp4", "--faces", f"{folder}/faces.json", *options]
    return main(command, environment or {}, io.StringIO(), err), err.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a clip and its faces document."""
    make_clip(tmp_path / "in.mp4", CLIP)
    (tmp_path / "faces.json").write_text(faces_document(CLIP).to_json())
    return tmp_path


def names(folder: Path) -> list[str]:
    """Return the files in `folder`."""
    return sorted(path.name for path in folder.iterdir())


def test_command_blurs_a_local_file(folder: Path) -> None:
    """The command exits with 0, prints one line, and writes output and manifest."""
    command = [sys.executable, "-m", "blur_container", "render", "in.mp4", "out.mp4", "--faces", "faces.json"]

    ended = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (0, "out.mp4: 12 frames, 12 with faces, 1 track\n"), (
        ended.stderr
    )
    assert ended.stderr == ""
    assert names(folder) == ["faces.json", "in.mp4", "out.mp4", "out.mp4.manifest.json"]
    assert max(detail(frame.luma, CLIP.boxes(0)[0]) for frame in shown_frames(folder / "out.mp4")) < 12


def test_manifest_describes_local_files(folder: Path) -> None:
    """The same document as beside an S3 output; files stand where objects would."""
    run(folder, "--style", "solid", "--shape", "box", "--crf", "23")

    manifest = json.loads((folder / "out.mp4.manifest.json").read_text())
    assert manifest["source"]["file"] == "in.mp4"
    assert manifest["source"]["size_bytes"] == (folder / "in.mp4").stat().st_size
    assert len(manifest["source"]["sha256"]) == 64
    assert (manifest["status"], manifest["output"], manifest["execution"]) == (
        "SUCCEEDED",
        {"file": "out.mp4"},
        None,
    )
    settings = manifest["settings"]
    assert (settings["style"], settings["shape"], settings["crf"]) == ("solid", "box", 23)
    assert manifest["output_video"] == {"codec": "h264", "width": 320, "height": 180}
    assert set(manifest["steps"]) == {"render", "verify"}


def test_environment_decides_what_the_line_does_not(folder: Path) -> None:
    """Settings have the names they have in Lambda."""
    run(folder, "--crf", "23", environment={"BLUR_STYLE": "blur", "CRF": "30"})

    settings = json.loads((folder / "out.mp4.manifest.json").read_text())["settings"]
    assert (settings["style"], settings["crf"]) == ("blur", 23)


def cut_source(folder: Path) -> None:
    """Cut the source in the middle."""
    content = (folder / "in.mp4").read_bytes()
    (folder / "in.mp4").write_bytes(content[: len(content) // 2])


def drop_faces(folder: Path) -> None:
    """Remove the faces document."""
    (folder / "faces.json").unlink()


def spoil_faces(folder: Path) -> None:
    """Write what is no JSON."""
    (folder / "faces.json").write_bytes(b"\xff\xfe not JSON")


def drop_source(folder: Path) -> None:
    """Remove the source."""
    (folder / "in.mp4").unlink()


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        pytest.param(cut_source, "DamagedVideo", id="half a video"),
        pytest.param(drop_faces, "FileNotFoundError", id="no faces document"),
        pytest.param(spoil_faces, "InvalidDocument", id="no JSON"),
        pytest.param(drop_source, "FileNotFoundError", id="no video"),
    ],
)
def test_failure_is_one_sentence_and_no_file(
    folder: Path, damage: Callable[[Path], None], error: str
) -> None:
    """Exit code 1; neither an output nor a trace of one."""
    damage(folder)
    before = names(folder)

    code, said = run(folder)

    assert (code, said.count("\n"), said.startswith(f"{error}: ")) == (1, 1, True), said
    assert names(folder) == before


def test_senseless_crf_is_refused_by_name(folder: Path) -> None:
    """The error names the setting and its range."""
    assert run(folder, "--crf", "99") == (
        1,
        "ConfigurationError: CRF must be a number from 0 to 51, not '99'\n",
    )


def test_source_is_never_overwritten(folder: Path) -> None:
    """The same file as source and target ends at once, and stays as it was."""
    before = (folder / "in.mp4").read_bytes()
    command = ["render", f"{folder}/in.mp4", f"{folder}/in.mp4", "--faces", f"{folder}/faces.json"]

    code = main(command, {}, io.StringIO(), io.StringIO())

    assert code == 1
    assert (folder / "in.mp4").read_bytes() == before


def test_earlier_output_survives_a_failure(folder: Path) -> None:
    """A failed run leaves an earlier output unchanged."""
    (folder / "out.mp4").write_bytes(b"earlier")
    cut_source(folder)

    run(folder)

    assert (folder / "out.mp4").read_bytes() == b"earlier"


def test_video_without_faces_needs_a_document_too(folder: Path) -> None:
    """An empty document says that somebody looked."""
    (folder / "faces.json").write_text(document_of([]).to_json())

    assert run(folder) == (0, "")


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        pytest.param(Progress(0, 0), "0 frames, 0 frames/s", id="nothing known"),
        pytest.param(Progress(50, 0), "50 frames, 25 frames/s", id="length unknown"),
        pytest.param(
            Progress(50, 100), "[###############---------------]  50%  50/100 frames, 25 frames/s", id="half"
        ),
        pytest.param(
            Progress(110, 100), f"[{'#' * 30}] 100%  110/100 frames, 55 frames/s", id="more than told"
        ),
    ],
)
def test_bar_shows_what_is_known(progress: Progress, text: str) -> None:
    """The container's number of frames may be missing or wrong."""
    assert bar_text(progress, 2.0) == text


def test_bar_is_written_ten_times_a_second_at_most() -> None:
    """The progress bar overwrites its line at most ten times a second, and is cleared at the end."""
    terminal = Terminal()
    moments = iter([0.0, 0.0, 0.05, 0.1])
    bar = ProgressBar(terminal, lambda: next(moments))

    bar(Progress(1, 3))
    bar(Progress(2, 3))
    bar(Progress(3, 3))
    bar.close()

    written = terminal.getvalue()
    assert [count in written for count in ("1/3", "2/3", "3/3")] == [True, False, True]
    assert written.endswith("\r\x1b[K")


def test_bar_is_silent_in_a_file() -> None:
    """The progress bar is not written to a file."""
    stream = io.StringIO()
    bar = ProgressBar(stream)

    bar(Progress(1, 3))
    bar.close()

    assert stream.getvalue() == ""
