"""The README and the pages it links to are true: settings, commands, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import botocore.session
import pytest

from blur_container.settings import Settings
from chalicelib.settings import StartSettings

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks" / "README.md",
]
# Set by the image, and by Lambda.
UNDOCUMENTED = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "CODE_VERSION"}


class AskedEnvironment(Mapping[str, str]):
    """An environment that records which variables are read."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        """Return the variable and record its name."""
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names of the variables."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return how many variables there are."""
        return len(self._values)


def documented() -> dict[str, str]:
    """Return the variables of the table in docs/configuration.md with their defaults."""
    return dict(re.findall(r"^\| `([A-Z_]+)` \| [^|]+ \| ([^|]+) \|", SETTINGS, re.MULTILINE))


def test_every_variable_the_code_reads_is_in_the_table_and_no_other() -> None:
    """Every setting is documented, in one place."""
    renderer = AskedEnvironment({"WORK_BUCKET": "work", "OUTPUT_BUCKET": "output"})
    starter = AskedEnvironment({"INPUT_BUCKET": "in", "OUTPUT_BUCKET": "out", "STATE_MACHINE_ARN": "arn"})

    Settings.from_env(renderer)
    StartSettings.from_env(starter)

    assert documented().keys() == (renderer.asked | starter.asked) - UNDOCUMENTED


def test_defaults_in_the_table_are_those_of_the_code() -> None:
    """Setting every variable to the default in the table changes nothing."""
    buckets = {"WORK_BUCKET": "work", "OUTPUT_BUCKET": "output"}
    defaults = {name: default for name, default in documented().items() if default != "-"}

    assert Settings.from_env({**defaults, **buckets}) == Settings.from_env(buckets)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", README))))
def test_commands_in_the_readme_are_targets_of_the_makefile(target: str) -> None:
    """A command that a reader pastes exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """A link to a file of this project has its file."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))

    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_readme_leads_to_the_commands_that_opt_out_of_what_aws_keeps() -> None:
    """AI services may use what they analyse until an organisation's policy opts out (Organizations guide)."""
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    model = botocore.session.get_session().get_service_model("organizations")
    [content] = re.findall(r"--content '([^']+)'", page)
    kinds = set(re.findall(r"--(?:policy-)?type (\S+)", page))

    assert "docs/deploying.md#what-aws-keeps" in README
    assert json.loads(content)["services"]["default"] == {"opt_out_policy": {"@@assign": "optOut"}}
    assert kinds <= set(model.shape_for("PolicyType").enum)
    assert len(re.findall(r"aws organizations (?:enable-policy-type|create-policy|attach-policy)", page)) == 3
