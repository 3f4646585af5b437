"""The Makefile: each command stands in it once, and says what it does."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
RULES = Counter(re.findall(r"^([a-z-]+):", TEXT, re.MULTILINE))
PHONY = set(re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)[0].split())


def test_every_command_has_one_recipe() -> None:
    """A second one takes the place of the first, with a warning that nobody reads."""
    assert dict.fromkeys(PHONY, 1) == RULES


def test_every_command_of_the_documents_exists() -> None:
    """Whoever types what stands there gets something done."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in documents)

    assert set(re.findall(r"`make ([a-z-]+)", texts)) <= PHONY


LOCKED = sorted([*ROOT.glob("requirements-*.txt"), *(ROOT / "blur_container").glob("requirements*.txt")])


def test_every_installed_package_has_a_hash() -> None:
    """Whoever takes over an index, or a package on it, runs no code here."""
    installed = re.findall(r"pip install .*-r (\S+)", TEXT)
    unlocked = [line for line in re.findall(r"pip install .*-r .*", TEXT) if "$(PIP)" not in line]

    assert {f"requirements-{name}.txt" for name in ("dev", "assets", "lint")} == set(installed)
    assert unlocked == []
    assert "--require-hashes" in re.findall(r"^PIP := (.*)$", TEXT, re.MULTILINE)[0]


def test_packages_are_readable_for_lambdas_user_whatever_the_umask() -> None:
    """Chalice zips its own files from .venv with their modes, and Lambda runs them as another user."""
    recipe = TEXT.partition("\n$(PACKAGES):")[2].partition("\n\n")[0]
    making = [line for line in recipe.splitlines() if "-m venv" in line or "pip install" in line]

    assert making
    assert all(line.startswith("\t@umask 022 && ") for line in making)


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.stem)
def test_every_requirement_is_pinned_by_version_and_hash(path: Path) -> None:
    """One without a hash stops the installation, for everybody."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    requirements = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]

    assert requirements
    assert [one for one in requirements if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", one)] == []
