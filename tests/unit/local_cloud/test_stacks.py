"""Templates: parameters, intrinsics, order, and refusal of what is not known."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_cloud.cloudformation_service.apply import RESOURCE_KINDS, StackResources, planned
from local_cloud.cloudformation_service.scope import Scope
from local_cloud.cloudformation_service.stacks import InvalidRequest, StackInput, Stacks
from local_cloud.cloudformation_service.template import UnsupportedTemplate, parse_template

ROOT = Path(__file__).parent.parent.parent.parent


class RecordingService:
    """Takes any call of boto3 and notes it; answers what the resource kinds read."""

    def __init__(self, calls: list[tuple[str, dict[str, Any]]]) -> None:
        self._calls = calls

    def __getattr__(self, operation: str) -> Any:
        """Return the call named `operation`."""

        def call(**arguments: Any) -> dict[str, Any]:
            self._calls.append((operation, arguments))
            return {
                "Body": io.BytesIO(b'{"Resource": "${FunctionArn}"}'),
                "repository": {"repositoryName": "r", "repositoryArn": "arn:r", "repositoryUri": "uri:r"},
                "logGroups": [{"arn": "arn:logs"}],
                "Role": {"Arn": f"arn:role:{arguments.get('RoleName')}"},
                "FunctionName": "f",
                "FunctionArn": "arn:f",
                "stateMachineArn": "arn:machine",
            }

        return call


def applied(path: Path, parameters: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls that applying the template makes."""
    calls: list[tuple[str, dict[str, Any]]] = []
    apply(StackResources(), path, parameters, calls)
    return calls


def apply(
    resources: StackResources, path: Path, parameters: dict[str, str], calls: list[tuple[str, dict[str, Any]]]
) -> None:
    """Apply the template at `path` to `resources` and note the calls."""
    resources.apply(
        parse_template(path.read_text(encoding="utf-8")), parameters, lambda _service: RecordingService(calls)
    )


def template(folder: Path, text: str) -> Path:
    """Return a template file with `text`."""
    path = folder / "stack.yaml"
    path.write_text(text)
    return path


def test_empty_template_makes_nothing(tmp_path: Path) -> None:
    """A template without resources makes no call."""
    assert applied(template(tmp_path, "Description: nothing\n"), {}) == []


def test_parameter_defaults_and_pseudo_parameters_are_filled(tmp_path: Path) -> None:
    """Ref and Sub know both."""
    path = template(
        tmp_path,
        "Parameters: {Stage: {Type: String, Default: dev}}\n"
        "Resources:\n"
        "  Group:\n"
        "    Type: AWS::Logs::LogGroup\n"
        "    Properties: {LogGroupName: !Sub 'x-${Stage}-${AWS::Region}-${AWS::AccountId}'}\n",
    )

    calls = applied(path, {})

    assert calls[0] == ("create_log_group", {"logGroupName": "x-dev-us-east-1-123456789012"})


@pytest.mark.parametrize(
    "reference", ["!GetAtt Role.Arn", "!Sub '${Role.Arn}'", "{'Fn::GetAtt': [Role, Arn]}"]
)
def test_attribute_of_a_later_resource_orders_it_first(tmp_path: Path, reference: str) -> None:
    """A resource is made after those it names, wherever they stand."""
    path = template(
        tmp_path,
        "Resources:\n"
        "  Function:\n"
        "    Type: AWS::Lambda::Function\n"
        f"    Properties: {{FunctionName: f, Role: {reference}}}\n"
        "  Role:\n"
        "    Type: AWS::IAM::Role\n"
        "    Properties: {RoleName: r, AssumeRolePolicyDocument: {}}\n",
    )

    calls = applied(path, {})

    assert [name for name, _ in calls] == ["create_role", "create_function"]
    assert calls[1][1]["Role"] == "arn:role:r"


def test_depends_on_orders_too(tmp_path: Path) -> None:
    """DependsOn counts where no property names the other."""
    path = template(
        tmp_path,
        "Resources:\n"
        "  A: {Type: 'AWS::Logs::LogGroup', DependsOn: B, Properties: {LogGroupName: a}}\n"
        "  B: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: b}}\n",
    )

    calls = applied(path, {})

    made = [arguments["logGroupName"] for name, arguments in calls if name == "create_log_group"]
    assert made == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Resources: {A: {Type: 'AWS::EC2::Instance'}}", "AWS::EC2::Instance"),
        ("Resources: {A: {Type: 'AWS::Logs::LogGroup', Properties: {KmsKeyId: k}}}", "KmsKeyId"),
        ("Resources: {A: {Type: 'AWS::Logs::LogGroup', Condition: C}}", "there is no condition"),
        ("Mappings: {}", "Mappings"),
        (
            "Resources: {A: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: !Ref Nobody}}}",
            "Nobody",
        ),
        (
            "Resources: {A: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: !Select [0, [a]]}}}",
            "Select",
        ),
        (
            "Resources: {A: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: {'Fn::Split': [a]}}}}",
            "Fn::Split",
        ),
        ("Parameters: {Needed: {Type: String}}", "Needed"),
        (
            "Resources: {A: {Type: 'AWS::Logs::LogGroup', DependsOn: A}}",
            "depend on each other",
        ),
    ],
    ids=["type", "property", "attribute", "section", "ref", "short form", "intrinsic", "parameter", "circle"],
)
def test_unknown_part_is_refused(tmp_path: Path, text: str, named: str) -> None:
    """What is not applied is an error that names it, and nothing is made before."""
    calls: list[tuple[str, dict[str, Any]]] = []

    with pytest.raises(UnsupportedTemplate, match=named):
        apply(StackResources(), template(tmp_path, text), {}, calls)

    assert calls == []


def test_parameter_that_the_template_has_not_is_refused(tmp_path: Path) -> None:
    """A misspelt parameter is an error."""
    with pytest.raises(UnsupportedTemplate, match="Stagge"):
        applied(template(tmp_path, "Description: nothing\n"), {"Stagge": "dev"})


def test_escaped_reference_stays_text() -> None:
    """`${!name}` is how a template writes `${name}`."""
    scope = Scope({"Name": "value"})

    assert scope.evaluate({"Fn::Sub": "${Name} ${!Name}"}) == "value ${Name}"


@pytest.mark.parametrize("name", ["foundation", "pipeline"])
def test_projects_templates_are_understood(name: str) -> None:
    """Every type and property of the project's own stacks is applied."""
    resources = parse_template(
        (ROOT / "statemachine" / f"{name}.yaml").read_text(encoding="utf-8")
    ).in_order()

    assert [one.name for one in resources if one.kind not in RESOURCE_KINDS] == []
    assert [
        one.name for one in resources if one.properties.keys() - RESOURCE_KINDS[one.kind].properties
    ] == []


def test_state_machine_gets_its_substitutions(tmp_path: Path) -> None:
    """The definition is read from its bucket, and filled."""
    path = template(
        tmp_path,
        "Resources:\n"
        "  Machine:\n"
        "    Type: AWS::StepFunctions::StateMachine\n"
        "    Properties:\n"
        "      StateMachineName: m\n"
        "      RoleArn: arn:role\n"
        "      DefinitionS3Location: {Bucket: b, Key: machine.json}\n"
        "      DefinitionSubstitutions: {FunctionArn: arn:function}\n",
    )

    operation, arguments = applied(path, {})[-1]

    assert operation == "create_state_machine"
    assert arguments["definition"] == '{"Resource": "arn:function"}'


def test_definition_with_an_unfilled_name_is_refused(tmp_path: Path) -> None:
    """A substitution that is missing would be a literal in the machine."""
    path = template(
        tmp_path,
        "Resources:\n"
        "  Machine:\n"
        "    Type: AWS::StepFunctions::StateMachine\n"
        "    Properties: {StateMachineName: m, RoleArn: r, "
        "DefinitionS3Location: {Bucket: b, Key: machine.json}}\n",
    )

    with pytest.raises(UnsupportedTemplate, match="FunctionArn"):
        applied(path, {})


GROUP = (
    "Parameters: {Days: {Type: Number, Default: 30}, Makes: {Type: String, Default: 'yes'}}\n"
    "Conditions: {Wanted: !Equals [!Ref Makes, 'yes']}\n"
    "Resources:\n"
    "  Group:\n"
    "    Type: AWS::Logs::LogGroup\n"
    "    Condition: Wanted\n"
    "    Properties: {LogGroupName: g, RetentionInDays: !Ref Days}\n"
)


def test_second_application_changes_nothing(tmp_path: Path) -> None:
    """What is as the template says is not touched."""
    resources, path, calls = StackResources(), template(tmp_path, GROUP), list[tuple[str, dict[str, Any]]]()
    apply(resources, path, {}, [])

    apply(resources, path, {}, calls)

    assert calls == []
    assert planned(parse_template(path.read_text(encoding="utf-8")), {}, resources) == []


def test_changed_parameter_changes_the_resource_in_place(tmp_path: Path) -> None:
    """The plan names the resource, and applying it gives the new property only."""
    resources, path, calls = StackResources(), template(tmp_path, GROUP), list[tuple[str, dict[str, Any]]]()
    apply(resources, path, {}, [])

    plan = planned(parse_template(path.read_text(encoding="utf-8")), {"Days": "7"}, resources)
    apply(resources, path, {"Days": "7"}, calls)

    assert plan == [("Modify", "Group", "AWS::Logs::LogGroup")]
    assert calls == [("put_retention_policy", {"logGroupName": "g", "retentionInDays": "7"})]


def test_resource_whose_condition_ends_is_deleted(tmp_path: Path) -> None:
    """A condition that does not hold any more takes its resource away."""
    resources, path, calls = StackResources(), template(tmp_path, GROUP), list[tuple[str, dict[str, Any]]]()
    apply(resources, path, {}, [])

    apply(resources, path, {"Makes": "no"}, calls)

    assert [name for name, _ in calls] == ["delete_log_group"]
    assert resources.made == {}


@pytest.mark.parametrize(
    ("value", "evaluated"),
    [
        ([], []),
        ({"Fn::If": ["On", "a", "b"]}, "a"),
        ({"Fn::If": ["Off", "a", "b"]}, "b"),
        ([{"Fn::If": ["Off", "a", {"Ref": "AWS::NoValue"}]}, "c"], ["c"]),
        ({"A": {"Ref": "AWS::NoValue"}, "B": 1}, {"B": 1}),
        ({"Fn::Join": [",", ["a", "b"]]}, "a,b"),
    ],
)
def test_conditions_choose_values(value: object, evaluated: object) -> None:
    """If chooses, NoValue leaves out, Join joins."""
    scope = Scope({}, {"On": {"Fn::Equals": ["x", "x"]}, "Off": {"Fn::Not": [{"Fn::Equals": ["x", "x"]}]}})

    assert scope.evaluate(value) == evaluated


class Holding(RecordingService):
    """Holds its first call up until it is let go."""

    def __init__(self, is_in: threading.Event, may_go_on: threading.Event) -> None:
        super().__init__([])
        self._events = is_in, may_go_on

    def __getattr__(self, operation: str) -> Any:
        """Return the call named `operation`, once it may go on."""
        is_in, may_go_on = self._events
        is_in.set()
        may_go_on.wait(10)
        return super().__getattr__(operation)


LOGS = "Resources: {Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: g, RetentionInDays: 1}}}"


def test_stack_that_is_being_made_takes_no_other_change() -> None:
    """No second execution, plan or deletion comes between its resources; it can be looked at."""
    is_in, may_go_on = threading.Event(), threading.Event()
    stacks = Stacks(lambda _service: Holding(is_in, may_go_on))
    stack = stacks.plan("one", "set", "CREATE", StackInput(LOGS, {}))
    stacks.plan("one", "other", "CREATE", StackInput(LOGS, {}))
    others: list[Callable[[], object]] = [
        lambda: stacks.execute(stack, "other"),
        lambda: stacks.plan("one", "third", "UPDATE", StackInput(LOGS, {})),
        lambda: stacks.plan("one", "fourth", "CREATE", StackInput(LOGS, {})),
        lambda: stacks.delete(stack),
    ]
    with ThreadPoolExecutor(1) as threads:
        made = threads.submit(stacks.execute, stack, "set")
        assert is_in.wait(10)

        refused = [raised(other) for other in others]

        seen = stacks.find("one").status
        may_go_on.set()
        made.result()
    assert refused == [InvalidRequest] * 4
    assert (seen, stack.status, [event.status for event in stack.events]) == (
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
        ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"],
    )


def test_change_set_of_a_stack_that_was_deleted_meanwhile_is_not_there() -> None:
    """Nothing is made for a stack that nobody could delete any more."""
    stacks = Stacks(lambda _service: RecordingService([]))
    stack = stacks.plan("one", "set", "CREATE", StackInput(LOGS, {}))
    stacks.delete(stack)

    with pytest.raises(InvalidRequest, match="set"):
        stacks.execute(stack, "set")


def raised(act: Callable[[], object]) -> type[BaseException] | None:
    """Return what `act` raises."""
    with pytest.raises(InvalidRequest) as caught:
        act()
    return caught.type
