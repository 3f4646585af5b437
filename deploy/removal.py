"""Removes a stage: app, pipeline, foundation; buckets with objects only on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deploy.buckets import count_objects, delete_bucket, empty, forget_tls, own_buckets
from deploy.chalice_app import delete_app, stage_app
from deploy.deployment import DEFINITIONS, Workplace
from deploy.errors import ExecutionsRunning
from deploy.executions import running_executions
from deploy.left_roles import delete_left_roles
from deploy.names import PARTS, Names
from deploy.stage_record import forget_stage


@dataclass(frozen=True)
class RemovalWish:
    """The permissions to delete buckets with objects, and to stop running executions."""

    buckets: bool = False
    running: bool = False


def remove(names: Names, place: Workplace, wish: RemovalWish) -> None:
    """Remove the parts of the stage that exist, and print what is left."""
    _stop_executions(names, place, wish)
    if names.settings.isolated or names.settings.subnet_ids:
        place.report.step(
            "network", "Lambda takes its interfaces back up to 40 minutes after the functions go"
        )
    staged = stage_app(place.project, place.folder, names)
    _tell(place, "app", delete_app(staged, place.clients, names))
    left = delete_left_roles(place.clients("iam"), names, staged.functions)
    if left:
        place.report.step("roles", f"removed {', '.join(left)}, which no function used")
    if place.chalice:
        forget_stage(place.chalice, names.settings.stage)
    _tell(place, "pipeline", [names.pipeline_stack] if place.stacks.delete(names.pipeline_stack) else [])
    gone = [names.foundation_stack] if place.stacks.delete(names.foundation_stack) else []
    _tell(place, "foundation", gone)
    for part in PARTS:
        _leave_bucket(names, place, part, wish)


def plan_removal(names: Names, place: Workplace, wish: RemovalWish) -> None:
    """Print what `remove` would delete, without deleting it."""
    for stack in (names.pipeline_stack, names.foundation_stack):
        place.report.step("stack", f"{stack}: {place.stacks.status(stack) or 'not there'}")
    own = own_buckets(place.clients("s3"))
    for part in PARTS:
        bucket = names.buckets[part]
        if bucket in own:
            goes = wish.buckets and bucket == names.own_bucket(part)
            place.report.step("bucket", f"s3://{bucket}: {'goes, with all in it' if goes else 'stays'}")


def _stop_executions(names: Names, place: Workplace, wish: RemovalWish) -> None:
    machine = place.clients("stepfunctions")
    running = running_executions(machine, names.state_machine_arn)
    if running and not wish.running:
        raise ExecutionsRunning(
            f"{len(running)} executions are running: wait for them (`make status`), or stop them,"
            f" make remove STAGE={names.settings.stage} RUNNING=stop."
        )
    for arn in running:
        machine.stop_execution(executionArn=arn)


def _leave_bucket(names: Names, place: Workplace, part: str, wish: RemovalWish) -> None:
    """Delete the bucket if it is the stage's own, and empty or to be deleted; else print that it is left."""
    s3, bucket = place.clients("s3"), names.buckets[part]
    if bucket not in own_buckets(s3):
        return
    if part == "work":
        empty(s3, bucket, DEFINITIONS)
    if bucket != names.own_bucket(part):
        forget_tls(s3, bucket)
        place.report.step("left", f"s3://{bucket}, which is yours")
        return
    held = count_objects(s3, bucket)
    if held and not wish.buckets:
        again = f"make remove STAGE={names.settings.stage} BUCKETS=delete"
        place.report.step("left", f"s3://{bucket}, objects: {held}; to delete them, {again}")
        return
    place.report.step("bucket", f"removed {bucket}, objects: {delete_bucket(s3, bucket)}")


def _tell(place: Workplace, name: str, gone: list[Any]) -> None:
    place.report.step(name, f"removed {', '.join(gone)}" if gone else "not there")
