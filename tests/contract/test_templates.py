"""The templates fit the code: settings, functions, names; and what each must say about safety."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blur_container.settings import Settings
from deploy.names import EVENT_FUNCTIONS, Account, Names
from deploy.settings import RENDERER_VARIABLES, StageSettings
from local_cloud.templates import Template, read_template

ROOT = Path(__file__).parent.parent.parent
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
NAMES = Names(StageSettings("dev"), Account("123456789012", "us-east-1"))
APP_FUNCTIONS = CONFIG["lambda_functions"]
CONTAINER_FUNCTIONS = ("plan-segments", "blur-faces", "assemble-video")
BUCKETS = {"WORK_BUCKET": "work", "OUTPUT_BUCKET": "output"}


@pytest.fixture(scope="module")
def foundation() -> Template:
    """Return the stack before the app."""
    return read_template(ROOT / "statemachine" / "foundation.yaml")


@pytest.fixture(scope="module")
def pipeline() -> Template:
    """Return the stack around the app."""
    return read_template(ROOT / "statemachine" / "pipeline.yaml")


def of_kind(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the template's resources of one kind."""
    return {name: one.properties for name, one in template.resources.items() if one.kind == kind}


def test_every_renderer_setting_can_be_given_to_a_stage(pipeline: Template) -> None:
    """stages.yaml, the template's parameters and the function's environment name the same settings."""
    functions = of_kind(pipeline, "AWS::Lambda::Function").values()
    variables = {name for function in functions for name in function["Environment"]["Variables"]}
    parameters = StageSettings("dev", renderer=dict.fromkeys(RENDERER_VARIABLES, "")).renderer_parameters

    assert variables == {*RENDERER_VARIABLES, *BUCKETS}
    assert len({json.dumps(function["Environment"], sort_keys=True) for function in functions}) == 1
    assert set(parameters) <= pipeline.parameters


def test_every_variable_that_the_renderer_reads_can_be_set() -> None:
    """A setting that no stage could give would be of use in tests only."""
    asked: set[str] = set()

    class Asked(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return super().get(name, default)

    Settings.from_env(Asked(BUCKETS))

    assert asked == {*RENDERER_VARIABLES, *BUCKETS, "CODE_VERSION"}


def test_settings_that_are_not_given_take_the_codes_default() -> None:
    """Defaults live in the code only: the template gives empty values."""
    given = {**BUCKETS, **dict.fromkeys(RENDERER_VARIABLES, "")}

    assert Settings.from_env(given) == Settings.from_env(BUCKETS)


def test_every_function_has_a_log_group(foundation: Template, pipeline: Template) -> None:
    """Functions may not make their groups, and a missing one would lose the log."""
    groups = {
        properties["LogGroupName"]["Fn::Sub"]
        for template in (foundation, pipeline)
        for properties in of_kind(template, "AWS::Logs::LogGroup").values()
    }

    wanted = {f"/aws/lambda/face-blur-${{Stage}}-{name}" for name in [*APP_FUNCTIONS, *CONTAINER_FUNCTIONS]}
    assert wanted <= groups


def test_every_function_that_s3_calls_has_a_destination_for_lost_events(pipeline: Template) -> None:
    """An upload never vanishes without a trace."""
    configured = {
        properties["FunctionName"]["Fn::Sub"].removeprefix("face-blur-${Stage}-")
        for properties in of_kind(pipeline, "AWS::Lambda::EventInvokeConfig").values()
    }

    assert configured == set(EVENT_FUNCTIONS)


def test_every_bucket_is_private_encrypted_and_tls_only(foundation: Template) -> None:
    """And outlives its stack."""
    buckets = of_kind(foundation, "AWS::S3::Bucket")
    policies = of_kind(foundation, "AWS::S3::BucketPolicy")

    assert {name.removesuffix("Policy") for name in policies} == set(buckets)
    assert all(all(one["PublicAccessBlockConfiguration"].values()) for one in buckets.values())
    assert all("BucketEncryption" in one for one in buckets.values())
    statements = [one["PolicyDocument"]["Statement"][0] for one in policies.values()]
    assert all(one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for one in statements)
    assert all(foundation.resources[name].is_kept for name in buckets)


def test_names_fit_their_limits() -> None:
    """The longest stage and the longest function: 63 characters for buckets, 64 for functions and roles."""
    longest = Names(StageSettings.from_entry("a" * 16, {}), Account("1" * 12, "ap-southeast-2"))

    assert max(len(name) for name in longest.buckets.values()) <= 63
    assert max(len(longest.function(name)) for name in CONFIG["lambda_functions"]) <= 64


def test_arns_are_known_before_anything_exists() -> None:
    """The app is told of a state machine that is made later."""
    assert (
        NAMES.environment["STATE_MACHINE_ARN"]
        == "arn:aws:states:us-east-1:123456789012:stateMachine:face-blur-dev"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [(None, {}), ({"CRF": 22}, {"Crf": "22"}), ({"SMART_RENDER": True}, {"SmartRender": "on"})],
    ids=["none", "number", "YAML's on"],
)
def test_renderer_settings_become_parameters(written: object, read: dict[str, str]) -> None:
    """YAML reads on as a truth value; it stays on."""
    assert StageSettings.from_entry("dev", {"blur_faces": written}).renderer_parameters == read
