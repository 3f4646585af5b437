"""The templates fit the code: settings, functions, names; and what each must say about safety."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blur_container.limits import Limits
from blur_container.settings import RenderSettings, Settings
from deploy.errors import InvalidSettings
from deploy.names import APP, EVENT_FUNCTIONS, INTAKE_FUNCTIONS, Account, Names
from deploy.settings import RENDERER_VARIABLES, StageSettings
from local_cloud.cloudformation_service.template import Template, parse_template

ROOT = Path(__file__).parent.parent.parent
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
NAMES = Names(StageSettings("dev"), Account("123456789012", "us-east-1"))
APP_FUNCTIONS = CONFIG["lambda_functions"]
CONTAINER_FUNCTIONS = ("plan-segments", "blur-faces", "assemble-video")
NETWORK = {
    f"AWS::EC2::{kind}"
    for kind in ("VPC", "Subnet", "RouteTable", "SubnetRouteTableAssociation", "SecurityGroup", "VPCEndpoint")
}
# Variables of the light functions too.
OF_THE_STAGE = {"DETECTION", "MAX_DURATION_S", "MAX_PIXELS"}
BUCKETS = {"WORK_BUCKET": "work", "OUTPUT_BUCKET": "output"}


@pytest.fixture(scope="module")
def foundation() -> Template:
    """Return the stack before the app."""
    return parse_template((ROOT / "statemachine" / "foundation.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pipeline() -> Template:
    """Return the stack around the app."""
    return parse_template((ROOT / "statemachine" / "pipeline.yaml").read_text(encoding="utf-8"))


def of_kind(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the template's resources of one kind."""
    return {name: one.properties for name, one in template.resources.items() if one.kind == kind}


def test_every_renderer_setting_can_be_given_to_a_stage(pipeline: Template) -> None:
    """stages.yaml, the template's parameters and the function's environment name the same settings."""
    functions = of_kind(pipeline, "AWS::Lambda::Function").values()
    variables = {name for function in functions for name in function["Environment"]["Variables"]}
    parameters = StageSettings("dev", renderer=dict.fromkeys(RENDERER_VARIABLES, "")).renderer_parameters

    assert variables == {*RENDERER_VARIABLES, *BUCKETS, *OF_THE_STAGE}
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

    assert asked == {
        *RENDERER_VARIABLES,
        *BUCKETS,
        "CODE_VERSION",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        *OF_THE_STAGE,
    }


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
    """Each bucket is private, encrypted, refuses plain HTTP, and is kept when its stack is deleted."""
    buckets = of_kind(foundation, "AWS::S3::Bucket")
    policies = of_kind(foundation, "AWS::S3::BucketPolicy")

    assert {name.removesuffix("Policy") for name in policies} == set(buckets)
    assert all(all(one["PublicAccessBlockConfiguration"].values()) for one in buckets.values())
    assert all("BucketEncryption" in one for one in buckets.values())
    statements = [one["PolicyDocument"]["Statement"][0] for one in policies.values()]
    assert all(one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for one in statements)
    assert all(foundation.resources[name].is_kept for name in [*buckets, *policies])


def s3_statements(pipeline: Template) -> list[dict[str, Any]]:
    """Return what the roles of all functions say about S3, options switched on."""
    own = [
        statement
        for role in of_kind(pipeline, "AWS::IAM::Role").values()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    own = [one["Fn::If"][1] if "Fn::If" in one else one for one in own]
    for path in (ROOT / ".chalice").glob("policy-*.json"):
        own += json.loads(path.read_text(encoding="utf-8"))["Statement"]
    return [one for one in own if "s3:" in str(one["Action"])]


def test_roles_reach_buckets_of_the_account_only(pipeline: Template) -> None:
    """A bucket that was deleted and made again by somebody else has the name, and not the account."""
    allowed = [one for one in s3_statements(pipeline) if one["Effect"] == "Allow"]
    accounts = [one["Condition"]["StringEquals"]["aws:ResourceAccount"] for one in allowed]

    assert len(accounts) > len(CONTAINER_FUNCTIONS)
    assert all(account in ({"Ref": "AWS::AccountId"}, "${AccountId}") for account in accounts)


def test_isolated_functions_have_no_way_but_to_the_buckets_of_the_stage(pipeline: Template) -> None:
    """The isolated network has one endpoint only, for the stage's buckets, actions and roles."""
    kinds = [one.kind for one in pipeline.resources.values()]
    endpoint = pipeline.resources["IsolatedS3Endpoint"].properties
    [statement] = endpoint["PolicyDocument"]["Statement"]
    resources = {one["Fn::Sub"].partition(":::")[2] for one in statement["Resource"]}

    assert not [kind for kind in kinds if kind.startswith("AWS::EC2::") and kind not in NETWORK]
    assert kinds.count("AWS::EC2::VPCEndpoint") == 1
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"}
    assert all(
        one.startswith(("${InputBucketName}", "${WorkBucketName}", "${OutputBucketName}"))
        for one in resources
    )
    assert "*" not in "".join(statement["Action"])
    assert len(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]) == len(CONTAINER_FUNCTIONS)


def test_credentials_of_isolated_functions_are_of_no_use_elsewhere(pipeline: Template) -> None:
    """Whoever carries them out, by names that are looked up, finds S3 closed."""
    refusing = [one for one in s3_statements(pipeline) if one["Effect"] == "Deny"]

    assert len(refusing) == len(CONTAINER_FUNCTIONS)
    assert all(
        one["Condition"] == {"StringNotEquals": {"aws:SourceVpce": {"Ref": "IsolatedS3Endpoint"}}}
        for one in refusing
    )


def test_what_runs_in_a_function_may_not_use_what_lambda_needs_for_its_vpc(pipeline: Template) -> None:
    """Lambda's own calls carry no source function."""
    statements = [
        policy["PolicyDocument"]["Statement"]
        for role in of_kind(pipeline, "AWS::IAM::Role").values()
        for policy in role["Policies"]
    ]
    said = [
        str([one for one in each if "JoinVpc" in str(one) or "LeaveVpcToLambda" in str(one)])
        for each in statements
    ]
    joining = [text for text in said if "JoinVpc" in text]

    assert len(joining) == len(CONTAINER_FUNCTIONS)
    assert all("LeaveVpcToLambda" in text and "lambda:SourceFunctionArn" in text for text in joining)


def test_limits_of_a_stage_are_those_of_the_renderer() -> None:
    """The light functions refuse the same videos as the container, before Rekognition is paid."""
    stage, limits = StageSettings("dev"), Limits()

    assert (stage.max_duration_s, stage.max_pixels) == (limits.duration_s, limits.frame_px)


def test_every_setting_of_a_stage_is_explained_where_it_is_written() -> None:
    """stages.yaml is its own reference; the defaults are those of the code."""
    text = re.sub(
        r"^# ?", "", (ROOT / "deploy" / "stages.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    shown = yaml.safe_load(text[text.index("dev:") : text.rindex("dev:")])["dev"]
    [[variable, style]] = shown.pop("blur_faces").items()

    stage = StageSettings.from_entry("dev", shown)

    assert (variable, style) == ("BLUR_STYLE", RenderSettings().style.value)
    assert stage == StageSettings("dev")
    named = {field.name for field in fields(StageSettings)} - {
        "stage",
        "buckets",
        "renderer",
        "is_memory_given",
    }
    assert shown.keys() == named | {"input_bucket", "work_bucket", "output_bucket"}


def test_minutes_are_counted_in_every_log_of_a_function_that_starts_detections(pipeline: Template) -> None:
    """Uploads with another suffix cost as much."""
    filters = of_kind(pipeline, "AWS::Logs::MetricFilter").values()
    groups = {
        one["LogGroupName"]["Fn::Sub"].removeprefix("/aws/lambda/face-blur-${Stage}-") for one in filters
    }
    alarm = pipeline.resources["RekognitionMinutesAlarm"].properties
    metrics = [one["MetricTransformations"][0] for one in filters]

    assert groups == set(INTAKE_FUNCTIONS)
    assert all(one["MetricName"] == alarm["MetricName"] for one in metrics)
    assert all(one["MetricNamespace"] == alarm["Namespace"] for one in metrics)


def test_eventbridge_may_publish_to_the_topic_without_a_condition(pipeline: Template) -> None:
    """A Condition there is not supported: publishing would be refused, and nobody told.

    EventBridge user guide, "Using resource-based policies for Amazon EventBridge": topic policies take no
    Condition block, and a target with a resource policy takes no RoleArn.
    """
    statements = pipeline.resources["TopicPolicy"].properties["PolicyDocument"]["Statement"]
    [statement] = [one for one in statements if one["Principal"]["Service"] == "events.amazonaws.com"]
    targets = pipeline.resources["ExecutionEnded"].properties["Targets"]

    assert statement.keys() == {"Sid", "Effect", "Principal", "Action", "Resource"}
    assert all(target.keys() == {"Id", "Arn", "DeadLetterConfig"} for target in targets)


@pytest.mark.parametrize(
    ("namespace", "metric"),
    [
        ("AWS/States", "ExecutionsFailed"),
        ("AWS/States", "ExecutionsTimedOut"),
        ("AWS/States", "ExecutionsAborted"),
        ("AWS/Events", "FailedInvocations"),
    ],
)
def test_every_bad_end_of_an_execution_raises_an_alarm(
    pipeline: Template, namespace: str, metric: str
) -> None:
    """A failure that EventBridge does not tell is told by CloudWatch, by a statement of its own."""
    alarms = of_kind(pipeline, "AWS::CloudWatch::Alarm").values()
    [alarm] = [one for one in alarms if (one["Namespace"], one["MetricName"]) == (namespace, metric)]

    assert (alarm["Threshold"], alarm["AlarmActions"]) == (0, [{"Ref": "Topic"}])


def test_every_dead_letter_queue_raises_an_alarm(foundation: Template, pipeline: Template) -> None:
    """Messages that nobody reads are lost as well, after two weeks."""
    queues = {**of_kind(foundation, "AWS::SQS::Queue"), **of_kind(pipeline, "AWS::SQS::Queue")}
    alarms = [
        one["Dimensions"][0]["Value"]
        for one in of_kind(pipeline, "AWS::CloudWatch::Alarm").values()
        if one["Namespace"] == "AWS/SQS"
    ]

    assert queues.keys() == {"DeadLetterQueue", "LostNotifications"}
    assert alarms == [
        {"Fn::GetAtt": ["LostNotifications", "QueueName"]},
        queues["DeadLetterQueue"]["QueueName"],
    ]


FOLDERS = ("statemachine/*", ".chalice/*.json", "deploy/*", "chalicelib/**/*.py", "blur_container/**/*")
FILES = sorted(path for pattern in ("app.py", *FOLDERS) for path in ROOT.glob(pattern) if path.is_file())
DEPLOYED = [path for path in FILES if path.suffix != ".pyc"]


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arn_of_what_is_deployed_names_a_partition(path: Path) -> None:
    """GovCloud's ARNs begin with arn:aws-us-gov: (IAM guide, "Amazon Resource Names").

    A Task with another partition's Resource ends in States.Runtime, which no Catch covers, not even
    States.ALL (Step Functions guide, "Handling errors").
    """
    assert re.findall(r"arn:aws[\w-]*:", path.read_text(encoding="utf-8")) == []


def test_every_placeholder_of_the_definition_is_filled_in(pipeline: Template) -> None:
    """The partition of the tasks' Resource is the stack's own; CloudFormation keeps an unknown name."""
    definition = (ROOT / "statemachine" / "blur_faces.asl.json").read_text(encoding="utf-8")
    filled = pipeline.resources["StateMachine"].properties["DefinitionSubstitutions"]

    assert set(re.findall(r"\$\{(\w+)\}", definition)) == filled.keys()
    assert filled["Partition"] == {"Ref": "AWS::Partition"}
    assert set(re.findall(r'"Resource": "([^"]+)"', definition)) == {
        "arn:${Partition}:states:::lambda:invoke"
    }


def repository_name() -> re.Pattern[str]:
    """Return what botocore's model says of the names of ECR's repositories."""
    model = botocore.session.get_session().get_service_model("ecr")
    return re.compile(model.shape_for("RepositoryName").metadata["pattern"])


@given(st.from_regex(r"[a-z][a-z0-9-]{0,15}", fullmatch=True))
def test_every_stage_that_is_accepted_names_a_repository(stage: str) -> None:
    """ECR refuses a name that ends in a hyphen, after the buckets were made."""
    is_name = repository_name().fullmatch(f"{APP}-{stage}")

    assert is_accepted(stage) == bool(is_name)


@pytest.mark.parametrize("name", ["foundation", "pipeline"])
@given(stage=st.from_regex(r"[a-z0-9-]{0,18}", fullmatch=True))
def test_templates_and_settings_accept_the_same_stages(name: str, stage: str) -> None:
    """Whoever deploys a template by hand gets the same answer."""
    text = (ROOT / "statemachine" / f"{name}.yaml").read_text(encoding="utf-8")
    [pattern] = re.findall(r'AllowedPattern: "(\[a-z\].*)"', text)

    assert bool(re.fullmatch(pattern, stage)) == is_accepted(stage)


def is_accepted(stage: str) -> bool:
    """Return whether a stage may have this name."""
    try:
        StageSettings.from_entry(stage, {})
    except InvalidSettings:
        return False
    return True


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
