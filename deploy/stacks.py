"""Applies CloudFormation stacks by change sets, from any state that an earlier run left."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.errors import StackFailed
from deploy.step_report import Report

_DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
_NEW = {"", "REVIEW_IN_PROGRESS"}
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
_STUCK = {"UPDATE_ROLLBACK_FAILED"}
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_ASK_EVERY_S = 2.0


@dataclass(frozen=True)
class StackWish:
    """The wanted template and parameters of a stack."""

    name: str
    template: str
    parameters: Mapping[str, str]

    @property
    def change_set(self) -> str:
        """Return the change set's name: the same for the same wish."""
        text = json.dumps([self.template, dict(self.parameters)], sort_keys=True)
        return f"deploy-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


class Stacks:
    """The stacks of one account; `ask_every_s` is the polling interval."""

    def __init__(self, cloudformation: Any, report: Report, ask_every_s: float = _ASK_EVERY_S) -> None:
        self._cloudformation = cloudformation
        self._report = report
        self._ask_every_s = ask_every_s

    def plan(self, wish: StackWish) -> list[str]:
        """Return the changes that `apply` would make, a line for each resource."""
        was = self._settled_status(wish.name)
        if was in _DEAD:
            return [f"Replace the stack, which is in {was}"]
        changes = self._change_set(wish, was)
        self._cloudformation.delete_change_set(StackName=wish.name, ChangeSetName=wish.change_set)
        if was in _NEW:
            self._cloudformation.delete_stack(StackName=wish.name)
        return changes

    def apply(self, wish: StackWish) -> list[str]:
        """Apply `wish` and return the changes; raise StackFailed where the stack was rolled back."""
        was = self._settled_status(wish.name)
        if was in _DEAD:
            self.delete(wish.name)
            was = ""
        if was in _STUCK:
            raise StackFailed(
                f"The stack {wish.name} is in {was}: choose `Continue update rollback` in CloudFormation's"
                " console, then deploy again."
            )
        changes = self._change_set(wish, was)
        if changes:
            self._execute(wish)
        else:
            self._cloudformation.delete_change_set(StackName=wish.name, ChangeSetName=wish.change_set)
        return changes

    def delete(self, name: str) -> bool:
        """Delete the stack; return whether there was one."""
        if not self.status(name):
            return False
        self._cloudformation.delete_stack(StackName=name)
        left = self._settled_status(name)
        if left:
            raise StackFailed(f"The stack {name} could not be deleted: {self._cause(name)}")
        return True

    def status(self, name: str) -> str:
        """Return the stack's status, an empty text where there is none."""
        try:
            return str(self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            if "does not exist" in str(error):
                return ""
            raise

    def resources(self, name: str) -> dict[str, str]:
        """Return the physical names of the stack's resources by their logical ones."""
        if self.status(name) in _NEW:
            return {}
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in pages
            for one in page["StackResourceSummaries"]
            if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
        }

    def output(self, name: str, key: str) -> str:
        """Return one output of the stack."""
        outputs = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        return next(str(one["OutputValue"]) for one in outputs if one["OutputKey"] == key)

    def _change_set(self, wish: StackWish, was: str) -> list[str]:
        self._forget_change_set(wish, was)
        self._cloudformation.create_change_set(
            StackName=wish.name,
            ChangeSetName=wish.change_set,
            ChangeSetType="CREATE" if was in _NEW else "UPDATE",
            TemplateBody=wish.template,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in wish.parameters.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        while True:
            answer = self._cloudformation.describe_change_set(
                StackName=wish.name, ChangeSetName=wish.change_set
            )
            if answer["Status"] in {"CREATE_COMPLETE", "FAILED"}:
                return self._read_changes(wish, answer)
            time.sleep(self._ask_every_s)

    def _forget_change_set(self, wish: StackWish, was: str) -> None:
        """Delete the change set of an earlier run that was interrupted."""
        if not was:
            return
        try:
            self._cloudformation.delete_change_set(StackName=wish.name, ChangeSetName=wish.change_set)
        except ClientError as error:
            if "does not exist" not in str(error):
                raise

    def _read_changes(self, wish: StackWish, answer: Mapping[str, Any]) -> list[str]:
        reason = str(answer.get("StatusReason", ""))
        if answer["Status"] == "FAILED" and not any(words in reason for words in _NOTHING):
            raise StackFailed(f"The stack {wish.name} cannot be changed so: {reason}")
        changes = [one["ResourceChange"] for one in answer.get("Changes", [])]
        return [f"{one['Action']} {one['LogicalResourceId']} ({one['ResourceType']})" for one in changes]

    def _execute(self, wish: StackWish) -> None:
        with self._report.under_way(f"{wish.name}: CloudFormation is at work"):
            self._cloudformation.execute_change_set(StackName=wish.name, ChangeSetName=wish.change_set)
            # A new stack is in REVIEW_IN_PROGRESS for a moment more.
            while (ended := self._settled_status(wish.name)) in _NEW:
                time.sleep(self._ask_every_s)
        if ended not in _GOOD:
            raise StackFailed(
                f"The stack {wish.name} was rolled back ({ended}): {self._cause(wish.name)}."
                " Mend that and deploy again."
            )

    def _settled_status(self, name: str) -> str:
        """Wait for operations in progress, of earlier runs too; return the stack's status."""
        while True:
            status = self.status(name)
            if not status.endswith("_IN_PROGRESS") or status in _NEW:
                return status
            time.sleep(self._ask_every_s)

    def _cause(self, name: str) -> str:
        """Return the first failure of the stack's last run."""
        failures: list[str] = []
        for event in self._cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
                failures.append(f"{event['LogicalResourceId']}: {reason}")
            is_begin = event["LogicalResourceId"] == name and event["ResourceStatus"] in {
                "CREATE_IN_PROGRESS",
                "UPDATE_IN_PROGRESS",
                "DELETE_IN_PROGRESS",
            }
            if is_begin:
                break
        return failures[-1] if failures else "CloudFormation names no cause"
