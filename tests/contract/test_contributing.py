"""CONTRIBUTING.md and the glossary name files, tests, commands and classes that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from blur_container.settings import BlurShape, BlurStyle, OutputCodec
from chalicelib.contract.job import DetectionMode

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("chalicelib", "blur_container")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", TEXT, re.MULTILINE))
RECIPES = ("Add a blur style", "Add a detector", "Add an input type", "Add a state")
FILES = re.compile(r"`([\w.*/-]+(?:/|\.(?:py|md|json|yaml|txt|in)))`|`([\w./-]*Dockerfile)`")


def files_in(text: str) -> list[str]:
    """Return the files and folders that `text` names."""
    return ["".join(names) for names in FILES.findall(text)]


@pytest.mark.parametrize("name", sorted(set(files_in(TEXT))))
def test_every_named_file_exists(name: str) -> None:
    """A list of files to change is of use only while they exist."""
    assert list(ROOT.glob(name)) != []


@pytest.mark.parametrize("title", RECIPES)
def test_every_recipe_names_code_tests_and_documents(title: str) -> None:
    """A change consists of all three."""
    names = files_in(SECTIONS[title])

    assert any(name.startswith(("blur_container/", "chalicelib/", "statemachine/")) for name in names)
    assert any(name.startswith("tests/") for name in names)
    assert any(name.startswith("docs/") for name in names)


def test_a_box_passes_at_most_eight_modules() -> None:
    """More than that nobody keeps in mind."""
    steps = re.findall(
        r"^\d+\. `(blur_container/[\w/]+\.py)`", SECTIONS["Where a box becomes pixels"], re.MULTILINE
    )

    assert 1 < len(steps) <= 8


def test_the_named_test_exists() -> None:
    """The command for a single test can be pasted."""
    [(path, name)] = re.findall(r"pytest (tests/\S+\.py)::(test_\w+)", TEXT)

    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_hooks_run_the_commands_of_make_check() -> None:
    """A commit that passes its hooks is not refused by `make check` for style or types."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[0]
    commands = [line.strip("\t@").replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]

    assert [hook["entry"] for hook in hooks] == [one for one in commands if re.search("/(ruff|mypy)", one)]


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`([A-Za-z_]+)`", GLOSSARY)) - {"code", "BoundingBox"})
)
def test_every_name_in_the_glossary_is_in_the_code(name: str) -> None:
    """The glossary explains the names that a reader meets."""
    assert re.search(rf"^(?:class|def) {name}\b|^{name} = ", CODE, re.MULTILINE)


@pytest.mark.parametrize(
    "choice", [BlurStyle, BlurShape, OutputCodec, DetectionMode], ids=lambda choice: choice.__name__
)
def test_the_template_allows_the_choices_of_the_code(
    choice: type[BlurStyle | BlurShape | OutputCodec | DetectionMode],
) -> None:
    """CloudFormation refuses a value that is missing there; an empty one leaves the default."""
    template = (ROOT / "statemachine" / "pipeline.yaml").read_text(encoding="utf-8")
    [allowed] = re.findall(rf"^  {choice.__name__}: .*AllowedValues: (\[.*\])", template, re.MULTILINE)

    assert set(yaml.safe_load(allowed)) == {"", *(value.value for value in choice)}


@pytest.mark.parametrize("style", [style.value for style in BlurStyle])
def test_every_blur_style_is_documented(style: str) -> None:
    """Whoever chooses one reads what it is safe against."""
    settings = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    styles = (ROOT / "docs" / "blur-styles.md").read_text(encoding="utf-8")

    assert f"`{style}`:" in settings
    assert f"| `{style}`" in styles
