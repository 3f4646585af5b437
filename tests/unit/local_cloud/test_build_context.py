"""The image without a container: COPY and ENV lines, replayed; and the project's own Dockerfile."""

from __future__ import annotations

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
