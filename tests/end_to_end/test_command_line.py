"""`make run` and `make up` as a person meets them: what they print, leave, and return."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks.readback import audio_packets, video_times
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.clips.remuxed import remuxed

ROOT = Path(__file__).parent.parent.parent
LONGEST_S = 600


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command line with temporary files in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "local_cloud", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code of the command line and what it printed."""
    with start(folder, *arguments) as process:
        printed, _ = process.communicate(timeout=LONGEST_S)
        return process.returncode, printed


def files(folder: Path) -> list[str]:
    """Return the files below `folder`, by their paths in it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return an empty folder for the temporary files of the command."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_own_video_comes_out_where_it_was_asked_for(tmp_path: Path, temporary: Path) -> None:
    """The output and a before/after picture are in the named folder; nothing else is left."""
    video = make_portrait_clip(tmp_path / "my clip.mp4", PortraitClip([(240, 135)] * 10))
    target = tmp_path / "there" / "blurred.mp4"

    code, printed = run(temporary, "run", "--video", str(video), "--out", str(target))

    assert code == 0, printed
    assert video_times(target) == video_times(video)
    assert audio_packets(target) == audio_packets(video)
    assert sorted(path.name for path in target.parent.iterdir()) == [
        "blurred.before-after.png",
        "blurred.mp4",
    ]
    assert "frames: 10, with faces: 10" in printed
    assert list(temporary.iterdir()) == []


def test_video_that_cannot_be_blurred_says_why_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    """The error's name and its cause, exit code 1, no file."""
    video = tmp_path / "letter.mp4"
    video.write_text("Dear Sir or Madam")
    target = tmp_path / "there" / "letter.mp4"

    code, printed = run(temporary, "run", "--video", str(video), "--out", str(target))

    assert code == 1
    assert "NotAVideo" in printed
    assert "Traceback" not in printed
    assert not target.parent.exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        pytest.param("missing.mp4", None, "There is no file", id="missing"),
        pytest.param("empty.mp4", b"", "is empty", id="empty"),
    ],
)
def test_wrong_file_is_refused_at_once(
    tmp_path: Path, temporary: Path, name: str, content: bytes | None, sentence: str
) -> None:
    """One sentence, exit code 2, before anything is started."""
    video = tmp_path / name
    _ = content is None or video.write_bytes(content)

    code, printed = run(temporary, "run", "--video", str(video))

    assert code == 2
    assert sentence in printed.replace("\n", " ")


def test_each_file_of_a_folder_is_blurred_and_listed(tmp_path: Path, temporary: Path) -> None:
    """One that cannot be blurred costs the others nothing, and the exit code 1."""
    folder, out = tmp_path / "videos", tmp_path / "there"
    folder.mkdir()
    clip = make_portrait_clip(folder / "a.mp4", PortraitClip([(240, 135)] * 10))
    (folder / "b.MP4").write_bytes(clip.read_bytes())
    remuxed(clip, folder / "c.ts", "mpegts")
    (folder / "letter.mp4").write_text("Dear Sir or Madam")
    (folder / "notes.txt").write_text("Dear Diary")

    code, printed = run(temporary, "run", "--video", str(folder), "--out", str(out))

    table = [line.split()[:2] for line in printed.splitlines()[-5:]]
    assert code == 1, printed
    assert table == [
        ["blurred", "a.mp4"],
        ["blurred", "b.MP4"],
        ["blurred", "c.ts"],
        ["FAILED", "letter.mp4"],
        ["FAILED", "notes.txt"],
    ]
    assert "3 of 5 blurred" in printed
    assert video_times(out / "a.mp4") == video_times(out / "b.MP4") == video_times(clip)
    assert files(out) == [
        "a.mp4",
        "a.mp4.before-after.png",
        "b.MP4",
        "b.MP4.before-after.png",
        "c.ts.mp4",
        "c.ts.mp4.before-after.png",
    ]
    assert list(temporary.iterdir()) == []


def test_folder_of_blurred_videos_only_is_exit_code_0(tmp_path: Path, temporary: Path) -> None:
    """Nothing failed, and a hidden file is none of the videos."""
    folder = tmp_path / "videos"
    folder.mkdir()
    make_portrait_clip(folder / "a.mp4", PortraitClip([(240, 135)] * 5))
    (folder / ".DS_Store").write_bytes(b"1")

    code, printed = run(temporary, "run", "--video", str(folder), "--out", str(tmp_path / "there"))

    assert code == 0, printed
    assert "1 of 1 blurred" in printed


def test_folder_without_a_file_is_refused_at_once(tmp_path: Path, temporary: Path) -> None:
    """One sentence, exit code 2, before anything is started."""
    folder = tmp_path / "videos"
    folder.mkdir()

    code, printed = run(temporary, "run", "--video", str(folder))

    assert code == 2
    assert "There is no file in" in printed


@pytest.mark.parametrize("video", ["videos", "videos/a.mp4"])
def test_video_is_never_replaced_by_its_blurred_copy(tmp_path: Path, temporary: Path, video: str) -> None:
    """The original stays, whether it is named itself or lies in the folder that is named twice."""
    clip = tmp_path / "videos" / "a.mp4"
    clip.parent.mkdir()
    make_portrait_clip(clip, PortraitClip([(240, 135)] * 5))
    content = clip.read_bytes()

    code, printed = run(temporary, "run", "--video", str(tmp_path / video), "--out", str(tmp_path / video))

    assert code in {1, 2}
    assert "would be replaced by its blurred copy" in printed.replace("\n", " ")
    assert clip.read_bytes() == content


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_local_cloud_that_is_ended_leaves_nothing_behind(
    tmp_path: Path, temporary: Path, ending: signal.Signals
) -> None:
    """Its stage is recorded while it runs; after a signal no record, folder or process of it is left."""
    chalice = tmp_path / "chalice"
    with start(temporary, "up", "--port", "0", "--chalice", str(chalice)) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        greeting = next(line for line in lines if "The local cloud is up" in line)
        recorded = files(chalice)

        process.send_signal(ending)

        farewell = list(lines)[-1]
        assert process.wait(LONGEST_S) == 130
    assert greeting
    assert recorded == ["deployed/local.json", "stages/local/outputs.json"]
    assert "nothing is left behind" in farewell
    assert files(chalice) == []
    assert list(temporary.iterdir()) == []


def test_examples_of_the_local_cloud_need_no_other_program(tmp_path: Path, temporary: Path) -> None:
    """`make up` prints commands of make and of the environment that make installed only."""
    with start(temporary, "up", "--port", "0", "--chalice", str(tmp_path)) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        next(line for line in lines if "for example" in line)
        shown = itertools.takewhile(lambda line: "Ctrl-C ends it" not in line, lines)
        examples = [line.split()[0] for line in shown if line.startswith("  ")]
        process.send_signal(signal.SIGINT)

    programs = {"make", *(str((ROOT / one).absolute()) for one in examples if one != "make")}
    assert programs == {"make", str(Path(sys.executable).absolute().with_name("chalice"))}
