"""CloudFormation stacks as deployments use them: change sets, events, rollback."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.cloudformation_service.apply import StackResources, planned
from local_cloud.cloudformation_service.template import UnsupportedTemplate, parse_template
from local_cloud.http.clients import Clients
from local_cloud.identity import ACCOUNT_ID, REGION

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
_IN_PROGRESS = "_IN_PROGRESS"
_DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}


class InvalidRequest(Exception):
    """CloudFormation would answer with ValidationError."""


@dataclass(frozen=True)
class StackInput:
    """The template of a stack, as text, and its parameters."""

    template: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ChangeSet:
    """A planned update of a stack; each of its changes is (action, logical id, type)."""

    name: str
    wanted: StackInput
    changes: list[tuple[str, str, str]]

    @property
    def status(self) -> str:
        """Return FAILED where nothing changes, as CloudFormation does."""
        return "CREATE_COMPLETE" if self.changes else "FAILED"


@dataclass(frozen=True)
class StackEvent:
    """One entry of a stack's history."""

    resource: str
    status: str
    reason: str
    moment: str


@dataclass
class Stack:
    """One stack, its resources and its history."""

    name: str
    status: str = "REVIEW_IN_PROGRESS"
    source: StackInput | None = None
    resources: StackResources = field(default_factory=StackResources)
    events: list[StackEvent] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Return the stack's ARN, which is also its id."""
        return f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{self.name}/local"

    @property
    def is_changing(self) -> bool:
        """Return whether its resources are being made, changed or deleted."""
        return self.status.endswith(_IN_PROGRESS) and self.status != "REVIEW_IN_PROGRESS"

    def enter(self, status: str, reason: str = "") -> None:
        """Set the stack's status, and add it to the events."""
        self.status = status
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self.events.append(StackEvent(self.name, status, reason, moment))


class Stacks:
    """All stacks of the local cloud; each takes one operation at a time."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        # Only for decisions: while resources are made, the stack's status refuses other operations.
        self._lock = threading.RLock()
        self._stacks: dict[str, Stack] = {}

    def find(self, name_or_arn: str) -> Stack:
        """Return the stack with this name or ARN; raise InvalidRequest where there is none."""
        name = name_or_arn.split("/")[1] if name_or_arn.startswith("arn:") else name_or_arn
        with self._lock:
            if name not in self._stacks:
                raise InvalidRequest(f"Stack with id {name} does not exist")
            return self._stacks[name]

    def every(self) -> list[Stack]:
        """Return all stacks."""
        with self._lock:
            return list(self._stacks.values())

    def plan(self, name: str, change_set: str, kind: str, wanted: StackInput) -> Stack:
        """Add a change set to the stack `name`, which is new where `kind` is CREATE."""
        with self._lock:
            stack = self._stacks.get(name) or Stack(name)
            is_new = stack.status == "REVIEW_IN_PROGRESS"
            if kind == "CREATE" and not is_new:
                raise InvalidRequest(f"Stack [{name}] already exists and cannot be created again")
            if kind == "UPDATE" and (stack.status in _DEAD or stack.is_changing):
                raise _not_now(stack)
            try:
                changes = planned(parse_template(wanted.template), wanted.parameters, stack.resources)
            except UnsupportedTemplate as error:
                raise InvalidRequest(str(error)) from error
            stack.change_sets[change_set] = ChangeSet(change_set, wanted, changes)
            self._stacks[name] = stack
            return stack

    def find_change_set(self, stack: Stack, name: str) -> ChangeSet:
        """Return the change set of this name; raise InvalidRequest where the stack has none."""
        with self._lock:
            if name not in stack.change_sets or self._stacks.get(stack.name) is not stack:
                raise InvalidRequest(f"ChangeSet [{name}] does not exist")
            return stack.change_sets[name]

    def forget_change_set(self, stack: Stack, name: str) -> None:
        """Delete the change set of this name; raise InvalidRequest where the stack has none."""
        with self._lock:
            self.find_change_set(stack, name)
            del stack.change_sets[name]

    def execute(self, stack: Stack, name: str) -> None:
        """Apply a change set to the stack, and roll back where that fails."""
        with self._lock:
            change_set = self.find_change_set(stack, name)
            if stack.is_changing:
                raise _not_now(stack)
            stack.change_sets.clear()
            verb = "CREATE" if stack.source is None else "UPDATE"
            stack.enter(f"{verb}_IN_PROGRESS")
        error = self._apply(stack, change_set.wanted)
        if error is None:
            stack.source = replace(change_set.wanted)
            stack.enter(f"{verb}_COMPLETE")
        else:
            self._roll_back(stack, verb, error)

    def delete(self, stack: Stack) -> None:
        """Delete the stack's resources except those with a DeletionPolicy."""
        with self._lock:
            if stack.status == "DELETE_IN_PROGRESS":
                return
            if stack.is_changing:
                raise _not_now(stack)
            stack.enter("DELETE_IN_PROGRESS")
        try:
            stack.resources.delete(self._clients)
        except (ClientError, BotoCoreError) as error:
            stack.enter("DELETE_FAILED", str(error))
            return
        with self._lock:
            del self._stacks[stack.name]

    def _apply(self, stack: Stack, wanted: StackInput) -> Exception | None:
        try:
            stack.resources.apply(parse_template(wanted.template), wanted.parameters, self._clients)
        except (ClientError, BotoCoreError, UnsupportedTemplate) as error:
            return error
        return None

    def _roll_back(self, stack: Stack, verb: str, error: Exception) -> None:
        prefix = "" if verb == "CREATE" else "UPDATE_"
        with self._lock:
            stack.enter(f"{verb}_FAILED", str(error))
            stack.enter(f"{prefix}ROLLBACK_IN_PROGRESS")
        if stack.source is None:
            # RetainExceptOnCreate: a failed creation is deleted whole, kept resources too.
            stack.resources.delete(self._clients, with_kept=True)
        else:
            self._apply(stack, stack.source)
        stack.enter(f"{prefix}ROLLBACK_COMPLETE")


def _not_now(stack: Stack) -> InvalidRequest:
    return InvalidRequest(f"Stack:{stack.arn} is in {stack.status} state and can not be updated.")
