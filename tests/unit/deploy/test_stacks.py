"""Stacks of deployments: whatever state an earlier run left, the next one knows what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.errors import StackFailed
from deploy.stacks import Stacks, StackWish
from deploy.step_report import silent_report

WISH = StackWish("a-stack", "Resources: {}", {"Stage": "dev"})


class FakeCloudFormation:
    """Answers with the statuses it was given, one a question, and notes what it was asked to do."""

    def __init__(self, statuses: Iterable[str], reason: str = "") -> None:
        self._statuses = list(statuses)
        self._reason = reason
        self.done: list[str] = []

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        """Return the next status; the last one stays. An empty one is a stack that does not exist."""
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if not status:
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks"
            )
        return {"Stacks": [{"StackStatus": status}]}

    def describe_change_set(self, **_: Any) -> dict[str, Any]:
        """Return one change, or the reason why there is none."""
        change = {"Action": "Add", "LogicalResourceId": "A", "ResourceType": "T"}
        if self._reason:
            return {"Status": "FAILED", "StatusReason": self._reason, "Changes": []}
        return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        """Return the newest first: a failure that followed from another, and the other."""
        names = [("B", "Resource creation cancelled"), ("A", "name is taken")]
        events = [
            {"LogicalResourceId": name, "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": reason}
            for name, reason in names
        ]
        return {
            "StackEvents": [*events, {"LogicalResourceId": "a-stack", "ResourceStatus": "CREATE_IN_PROGRESS"}]
        }

    def create_change_set(self, *, ChangeSetType: str, **_: Any) -> None:  # noqa: N803 AWS's own name
        """Note it."""
        self.done.append(f"plan {ChangeSetType}")

    def execute_change_set(self, **_: Any) -> None:
        """Note it."""
        self.done.append("execute")

    def delete_change_set(self, **_: Any) -> None:
        """Note it."""
        self.done.append("forget")

    def delete_stack(self, **_: Any) -> None:
        """Note it."""
        self.done.append("delete")


def stacks(cloudformation: FakeCloudFormation) -> Stacks:
    """Return the stacks behind the fake, asked for without a pause."""
    return Stacks(cloudformation, silent_report(), ask_every_s=0)


def test_stack_that_does_not_exist_is_made() -> None:
    """By a change set, too."""
    cloudformation = FakeCloudFormation(["", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"])

    changes = stacks(cloudformation).apply(WISH)

    assert changes == ["Add A (T)"]
    assert cloudformation.done == ["plan CREATE", "execute"]


@pytest.mark.parametrize(
    "reason", ["The submitted information didn't contain changes.", "No updates are to be performed."]
)
def test_unchanged_stack_is_left_alone(reason: str) -> None:
    """CloudFormation calls that a failure."""
    cloudformation = FakeCloudFormation(["UPDATE_COMPLETE"], reason)

    assert stacks(cloudformation).apply(WISH) == []
    assert cloudformation.done == ["forget", "plan UPDATE", "forget"]


def test_run_that_is_still_under_way_is_waited_for() -> None:
    """An earlier command was interrupted, CloudFormation was not."""
    cloudformation = FakeCloudFormation(["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])

    stacks(cloudformation).apply(WISH)

    assert cloudformation.done == ["forget", "plan UPDATE", "execute"]


@pytest.mark.parametrize("dead", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"])
def test_dead_stack_is_deleted_and_made_anew(dead: str) -> None:
    """It cannot be changed any more."""
    cloudformation = FakeCloudFormation([dead, dead, "DELETE_IN_PROGRESS", "", "CREATE_COMPLETE"])

    stacks(cloudformation).apply(WISH)

    assert cloudformation.done == ["delete", "plan CREATE", "execute"]


def test_dead_stack_is_only_named_by_a_dry_run() -> None:
    """Nothing is deleted."""
    cloudformation = FakeCloudFormation(["ROLLBACK_COMPLETE"])

    assert stacks(cloudformation).plan(WISH) == ["Replace the stack, which is in ROLLBACK_COMPLETE"]
    assert cloudformation.done == []


def test_roll_back_names_the_first_failure() -> None:
    """Not those that followed from it."""
    cloudformation = FakeCloudFormation(["", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"])

    with pytest.raises(StackFailed, match="A: name is taken"):
        stacks(cloudformation).apply(WISH)


def test_stuck_roll_back_says_what_a_person_has_to_do() -> None:
    """Only the console continues it."""
    with pytest.raises(StackFailed, match="Continue update rollback"):
        stacks(FakeCloudFormation(["UPDATE_ROLLBACK_FAILED"])).apply(WISH)


def test_change_that_cannot_be_planned_says_why() -> None:
    """A wrong template, for example."""
    cloudformation = FakeCloudFormation(["UPDATE_COMPLETE"], "Parameter X must not be empty")

    with pytest.raises(StackFailed, match="Parameter X must not be empty"):
        stacks(cloudformation).apply(WISH)


def test_dry_run_leaves_no_change_set_and_no_empty_stack() -> None:
    """A stack that was made for the plan goes with it."""
    cloudformation = FakeCloudFormation([""])

    assert stacks(cloudformation).plan(WISH) == ["Add A (T)"]
    assert cloudformation.done == ["plan CREATE", "forget", "delete"]
