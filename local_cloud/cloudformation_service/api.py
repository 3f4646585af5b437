"""CloudFormation's query protocol: requests are forms, answers are XML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from local_cloud.cloudformation_service.stacks import NO_CHANGES, InvalidRequest, Stack, StackInput, Stacks
from local_cloud.http.wsgi import Answer, read_body, request_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_XML = {"Content-Type": "text/xml"}
_PARAMETER = re.compile(r"^Parameters\.member\.(\d+)\.Parameter(Key|Value)$")


class CloudFormationApi:
    """WSGI application for requests to CloudFormation."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        self._actions: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
            "CreateChangeSet": self._create_change_set,
            "DescribeChangeSet": self._describe_change_set,
            "ExecuteChangeSet": self._execute_change_set,
            "DeleteChangeSet": self._delete_change_set,
            "DescribeStacks": self._describe_stacks,
            "DescribeStackEvents": self._describe_events,
            "ListStackResources": self._list_resources,
            "DeleteStack": self._delete_stack,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        read_body(environ)
        return self._answer(request_of(environ).form.to_dict())(environ, start_response)

    def _answer(self, form: dict[str, str]) -> Answer:
        name = form.get("Action", "")
        if name not in self._actions:
            return _error("InvalidAction", f"the local cloud does not implement CloudFormation's {name}")
        try:
            result = self._actions[name](form)
        except InvalidRequest as error:
            return _error("ValidationError", str(error))
        return Answer(_xml(f"{name}Response", {f"{name}Result": result}), headers=_XML)

    def _create_change_set(self, form: dict[str, str]) -> dict[str, Any]:
        found: dict[str, dict[str, str]] = {}
        for key, value in form.items():
            match = _PARAMETER.match(key)
            if match:
                found.setdefault(match[1], {})[match[2]] = value
        parameters = {one["Key"]: one.get("Value", "") for one in found.values()}
        wanted = StackInput(form["TemplateBody"], parameters)
        name = form["ChangeSetName"]
        stack = self._stacks.plan(form["StackName"], name, form.get("ChangeSetType", "UPDATE"), wanted)
        return {"Id": _change_set_arn(stack, name), "StackId": stack.arn}

    def _describe_change_set(self, form: dict[str, str]) -> dict[str, Any]:
        stack, name = self._change_set(form)
        change_set = self._stacks.find_change_set(stack, name)
        return {
            "ChangeSetName": change_set.name,
            "ChangeSetId": _change_set_arn(stack, change_set.name),
            "StackName": stack.name,
            "StackId": stack.arn,
            "Status": change_set.status,
            "ExecutionStatus": "AVAILABLE" if change_set.changes else "UNAVAILABLE",
            "StatusReason": "" if change_set.changes else NO_CHANGES,
            "Changes": [
                {
                    "Type": "Resource",
                    "ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": kind},
                }
                for action, name, kind in change_set.changes
            ],
        }

    def _execute_change_set(self, form: dict[str, str]) -> dict[str, Any]:
        self._stacks.execute(*self._change_set(form))
        return {}

    def _delete_change_set(self, form: dict[str, str]) -> dict[str, Any]:
        self._stacks.forget_change_set(*self._change_set(form))
        return {}

    def _describe_stacks(self, form: dict[str, str]) -> dict[str, Any]:
        stacks = [self._stacks.find(form["StackName"])] if "StackName" in form else self._stacks.every()
        return {"Stacks": [_describe(stack) for stack in stacks]}

    def _describe_events(self, form: dict[str, str]) -> dict[str, Any]:
        stack = self._stacks.find(form["StackName"])
        events = [
            {
                "StackId": stack.arn,
                "StackName": stack.name,
                "EventId": f"{stack.name}-{number}",
                "LogicalResourceId": event.resource,
                "ResourceStatus": event.status,
                "ResourceStatusReason": event.reason,
                "Timestamp": event.moment,
            }
            for number, event in enumerate(stack.events)
        ]
        return {"StackEvents": events[::-1]}

    def _list_resources(self, form: dict[str, str]) -> dict[str, Any]:
        stack = self._stacks.find(form["StackName"])
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": resource.made.reference,
                    "ResourceType": resource.kind,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for name, resource in list(stack.resources.made.items())
            ]
        }

    def _delete_stack(self, form: dict[str, str]) -> dict[str, Any]:
        try:
            stack = self._stacks.find(form["StackName"])
        except InvalidRequest:
            return {}  # As in CloudFormation: deleting a stack that does not exist succeeds.
        self._stacks.delete(stack)
        return {}

    def _change_set(self, form: dict[str, str]) -> tuple[Stack, str]:
        stack = self._stacks.find(form["StackName"])
        name = form["ChangeSetName"].split("/")[-2 if form["ChangeSetName"].startswith("arn:") else -1]
        return stack, name


def _change_set_arn(stack: Stack, name: str) -> str:
    return stack.arn.replace(f":stack/{stack.name}/", f":changeSet/{name}/")


def _describe(stack: Stack) -> dict[str, Any]:
    parameters = stack.source.parameters if stack.source else {}
    return {
        "StackId": stack.arn,
        "StackName": stack.name,
        "CreationTime": stack.events[0].moment if stack.events else "2026-01-01T00:00:00Z",
        "StackStatus": stack.status,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Outputs": [
            {"OutputKey": name, "OutputValue": value} for name, value in stack.resources.outputs.items()
        ],
    }


def _xml(name: str, value: dict[str, Any]) -> bytes:
    document: bytes = ET.tostring(_element(name, value), encoding="utf-8", xml_declaration=True)
    return document


def _element(name: str, value: Any) -> ET.Element:
    """Return `value` as an element; the entries of a list become `member` elements, as AWS writes them."""
    element = ET.Element(name)
    if isinstance(value, dict):
        element.extend(_element(key, one) for key, one in value.items())
    elif isinstance(value, list):
        element.extend(_element("member", one) for one in value)
    else:
        element.text = str(value)
    return element


def _error(code: str, message: str) -> Answer:
    error = {"Error": {"Type": "Sender", "Code": code, "Message": message}}
    return Answer(_xml("ErrorResponse", error), "400 Bad Request", _XML)
