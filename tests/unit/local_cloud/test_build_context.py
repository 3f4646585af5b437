"""The image without a container: COPY and ENV lines, replayed; and the project's own Dockerfile."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local_cloud.lambda_service.build_context import LocalImage, UnreadableDockerfile, build_image

ROOT = Path(__file__).parent.parent.parent.parent
IMPORT_HANDLER = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "chalice":
            raise ImportError(f"{name} is not in the image")

sys.meta_path.insert(0, Blocked())
module, _, name = sys.argv[1].rpartition(".")
print(importlib.import_module(module).__file__, callable(getattr(importlib.import_module(module), name)))
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Return a build context with a package, a compiled file and a file beside it."""
    folder = tmp_path / "context"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "package" / "module.py").write_text("x = 1\n")
    (folder / "package" / "__pycache__" / "module.pyc").write_bytes(b"")
    (folder / "beside.py").write_text("y = 2\n")
    return folder


def build(context: Path, dockerfile: str) -> LocalImage:
    """Return the image of the lines in `dockerfile`."""
    path = context.parent / "Dockerfile"
    path.write_text(dockerfile)
    return build_image(path, context, context.parent / "task")


def files_of(image: LocalImage) -> list[str]:
    """Return the files of `image`, sorted."""
    return sorted(str(path.relative_to(image.folder)) for path in image.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["beside.py", "package"])
def test_file_that_only_its_owner_reads_is_refused(context: Path, name: str) -> None:
    """COPY keeps modes, and Lambda runs the image as a user of its own (Lambda guide, container images)."""
    (context / name).chmod(0o700)

    with pytest.raises(UnreadableDockerfile, match=r"--chmod=755"):
        build(context, f"FROM base\nCOPY {name} ${{LAMBDA_TASK_ROOT}}/{name}\n")


def test_file_that_only_its_owner_reads_may_be_given_a_mode(context: Path) -> None:
    """With --chmod the mode of the checkout does not matter."""
    (context / "beside.py").chmod(0o600)

    image = build(context, "FROM base\nCOPY --chmod=755 beside.py ${LAMBDA_TASK_ROOT}/\n")

    assert stat.S_IMODE((image.folder / "beside.py").stat().st_mode) == 0o755


def test_image_is_readable_when_the_checkout_is_not(tmp_path: Path) -> None:
    """Under umask 077 every file of a checkout is its owner's only; the image's files are not."""
    for part in ("chalicelib", "blur_container"):
        shutil.copytree(ROOT / part, tmp_path / "project" / part, ignore=shutil.ignore_patterns("*.pyc"))
    paths = [path for path in (tmp_path / "project").rglob("*") if not path.is_symlink()]
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)

    project = tmp_path / "project"
    image = build_image(project / "blur_container" / "Dockerfile", project, tmp_path / "task")

    modes = {path.stat().st_mode & 0o005 for path in image.folder.rglob("*")}
    assert modes == {0o005}


def test_empty_dockerfile_makes_an_empty_image(context: Path) -> None:
    """Without COPY there are no files."""
    image = build(context, "FROM base\n")

    assert (files_of(image), image.variables, image.command) == ([], {}, "")


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("COPY package/ ${LAMBDA_TASK_ROOT}/package/", ["package/module.py"]),
        ("COPY package $LAMBDA_TASK_ROOT/other", ["other/module.py"]),
        ("COPY beside.py /var/task/", ["beside.py"]),
        ("COPY beside.py ${LAMBDA_TASK_ROOT}", ["beside.py"]),
        ("COPY beside.py ${LAMBDA_TASK_ROOT}/renamed.py", ["renamed.py"]),
        ("COPY --chown=1:1 beside.py \\\n    package/module.py ./", ["beside.py", "module.py"]),
        ("COPY package/*.py ${LAMBDA_TASK_ROOT}/", ["module.py"]),
        ("COPY --from=builder /opt/x ${LAMBDA_TASK_ROOT}/", []),
        ("COPY beside.py /opt/", []),
        ("# COPY beside.py ${LAMBDA_TASK_ROOT}/", []),
    ],
)
def test_copy_line_brings_its_files(context: Path, line: str, files: list[str]) -> None:
    """Files of the context land under the task root as the line says; bytecode does not."""
    image = build(context, f"FROM base\n{line}\n")

    assert files_of(image) == files


@pytest.mark.parametrize(
    ("lines", "variables"),
    [
        ("ENV A=1 B='two words'", {"A": "1", "B": "two words"}),
        ("ENV A one two", {"A": "one two"}),
        ("ARG V=3\nENV A=${V}", {"A": "3"}),
        ("ARG V=\nENV A=${V}", {"A": ""}),
        ("ENV A=1\nENV B=$A$A", {"A": "1", "B": "11"}),
    ],
)
def test_env_line_sets_variables(context: Path, lines: str, variables: dict[str, str]) -> None:
    """Variables are set with the defaults of build arguments in them."""
    image = build(context, f"FROM base\n{lines}\n")

    assert image.variables == variables


def test_build_argument_that_is_given_takes_the_place_of_its_default(context: Path) -> None:
    """So a deployment tells the image its code version."""
    path = context.parent / "Dockerfile"
    path.write_text("FROM base\nARG CODE_VERSION=\nENV CODE_VERSION=${CODE_VERSION}\n")

    image = build_image(path, context, context.parent / "task", {"CODE_VERSION": "4f2a"})

    assert image.variables == {"CODE_VERSION": "4f2a"}


def test_missing_source_is_an_error(context: Path) -> None:
    """A COPY of what is not there fails, as a build would."""
    with pytest.raises(UnreadableDockerfile, match=r"gone\.py"):
        build(context, "FROM base\nCOPY gone.py ${LAMBDA_TASK_ROOT}/\n")


def test_projects_handler_is_importable_in_its_image(tmp_path: Path) -> None:
    """The Dockerfile copies all that the handler imports, and that needs no chalice."""
    image = build_image(ROOT / "blur_container" / "Dockerfile", ROOT, tmp_path / "task")

    imported = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_HANDLER, image.command],
        cwd=image.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert imported.stdout.split() == [str(image.folder / "blur_container" / "handler.py"), "True"], (
        imported.stderr
    )
