"""The Makefile: each command stands in it once, and says what it does."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
RULES = Counter(re.findall(r"^([a-z-]+):", TEXT, re.MULTILINE))
PHONY = set(re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)[0].split())


def test_every_command_has_one_recipe() -> None:
    """A second one takes the place of the first, with a warning that nobody reads."""
    assert dict.fromkeys(PHONY, 1) == RULES


def test_every_command_of_the_documents_exists() -> None:
    """Whoever types what stands there gets something done."""
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in documents)

    assert set(re.findall(r"`make ([a-z-]+)", texts)) <= PHONY
