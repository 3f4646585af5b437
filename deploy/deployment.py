"""Deploys a stage: each step can be repeated, and no event is handled before all parts exist."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.account import Clients, isolated_zones, quota_notes, require_memory
from deploy.bucket_notifications import require_room
from deploy.buckets import parts_to_make, require_tls
from deploy.chalice_app import StagedApp, deploy_app, pending_changes, stage_app, write_deployed
from deploy.container_engine import Engine
from deploy.errors import QuotaTooLow, StackFailed
from deploy.image import ImagePlace, ImageSource, find_source, push_image, pushed_digest
from deploy.names import PARTS, Names
from deploy.own_buckets import exposure_notes, lifecycle_notes
from deploy.stacks import Stacks, StackWish
from deploy.stage_record import record_stage
from deploy.step_report import Report

DEFINITIONS = "deployments/"  # No lifecycle rule reaches it: a stack may roll back to an old definition.
_NO_CHANGE = "no change"
_MEMORY_REFUSED = re.compile(r"'MemorySize' value failed.* less than or equal to (\d+)")


@dataclass(frozen=True)
class Workplace:
    """The inputs of a deployment: the project, a working folder, clients, an engine, a report.

    `chalice` is the .chalice folder that records the stage; None records nothing.
    """

    project: Path
    folder: Path
    clients: Clients
    find_engine: Callable[[], Engine]
    report: Report
    chalice: Path | None = None

    @cached_property
    def stacks(self) -> Stacks:
        """Return the account's stacks."""
        return Stacks(self.clients("cloudformation"), self.report)

    def template(self, name: str) -> str:
        """Return the text of a template."""
        return (self.project / "statemachine" / f"{name}.yaml").read_text(encoding="utf-8")

    @property
    def definition(self) -> bytes:
        """Return the state machine's definition."""
        return (self.project / "statemachine" / "blur_faces.asl.json").read_bytes()


class Deployment:
    """The deployment of one stage."""

    def __init__(self, names: Names, place: Workplace) -> None:
        self._names = names
        self._place = place
        self._report = place.report

    def deploy(self) -> None:
        """Deploy the stage, and print each step."""
        place, names = self._place, self._names
        to_make = self._check()
        if not self._digest():
            place.find_engine()  # Raises NoEngine before anything is created.
        self._apply("foundation", self._foundation(to_make))
        self._merge_policies(to_make)
        image_uri = self._push()
        self._upload_definition()
        staged = stage_app(place.project, place.folder, names)
        pending = pending_changes(staged, place.clients, names)
        # At first the state machine has to exist before events; later, functions before they are called.
        if not place.stacks.resources(names.pipeline_stack):
            self._apply("machine", self._pipeline(image_uri, app_deployed="no"))
        self._deploy_app(staged, pending)
        self._apply("pipeline", self._pipeline(image_uri, app_deployed="yes"))
        if place.chalice:
            folder = record_stage(place.chalice, place.clients, names)
            self._report.step(
                "record", f"{folder.relative_to(place.chalice.parent)}, for chalice's own commands"
            )

    def plan(self) -> None:
        """Print the changes that `deploy` would make, without making them."""
        place, names = self._place, self._names
        to_make = self._check()
        self._tell("foundation", place.stacks.plan(self._foundation(to_make)))
        digest = self._digest()
        self._report.step(
            "image", f"{_NO_CHANGE}, {digest}" if digest else f"build and push tag {self._image.tag}"
        )
        staged = stage_app(place.project, place.folder, names)
        self._tell("app", pending_changes(staged, place.clients, names))
        image_uri = self._image_uri(digest or "sha256:(built later)")
        self._tell("pipeline", place.stacks.plan(self._pipeline(image_uri, app_deployed="yes")))

    def _check(self) -> set[str]:
        names, clients = self._names, self._place.clients
        self._report.step(
            "account", f"{names.account.id}, {names.account.region}, stage {names.settings.stage}"
        )
        for note in quota_notes(clients("lambda")):
            self._report.line(note)
        require_memory(clients("lambda"), names.settings)
        made = self._place.stacks.resources(names.foundation_stack)
        to_make = parts_to_make(names, made, clients("s3"))
        require_room(clients("s3"), names)
        for part in PARTS:
            verb = "of the stage" if part in to_make else "used as it is"
            self._report.line(f"{part + ' bucket':<14} s3://{names.buckets[part]}, {verb}")
        for part in [part for part in PARTS if part not in to_make]:
            for note in self._notes(part):
                self._report.line(note)
        if names.settings.isolated:
            self._report.line(f"{'isolated':<14} a VPC without a way out, in {' and '.join(self._zones)}")
        self._report.line(f"{'base image':<14} {self._source.base}")
        return to_make

    def _notes(self, part: str) -> list[str]:
        s3, bucket = self._place.clients("s3"), self._names.buckets[part]
        return [*exposure_notes(s3, bucket), *lifecycle_notes(s3, part, bucket)]

    @cached_property
    def _zones(self) -> tuple[str, str]:
        return isolated_zones(self._place.clients("ec2")) if self._names.settings.isolated else ("", "")

    @cached_property
    def _source(self) -> ImageSource:
        return find_source(self._place.project, self._names.settings, self._place.find_engine)

    @cached_property
    def _image(self) -> ImagePlace:
        return ImagePlace(self._names.prefix, self._source.version)

    def _digest(self) -> str:
        return pushed_digest(self._place.clients("ecr"), self._image)

    def _foundation(self, to_make: set[str]) -> StackWish:
        makes = {f"Create{part.title()}Bucket": "yes" if part in to_make else "no" for part in PARTS}
        review = {"ReviewDays": str(self._names.settings.review_days)}
        parameters = {**self._names.stack_parameters, **makes, **review}
        return StackWish(self._names.foundation_stack, self._place.template("foundation"), parameters)

    def _pipeline(self, image_uri: str, *, app_deployed: str) -> StackWish:
        settings = self._names.settings
        parameters = {
            **self._names.stack_parameters,
            "ImageUri": image_uri,
            "DefinitionKey": self._definition_key,
            "AppDeployed": app_deployed,
            "NotificationEmail": settings.notification_email,
            "Architecture": settings.architecture,
            "MemorySize": str(settings.memory_mb),
            "SubnetIds": ",".join(settings.subnet_ids),
            "SecurityGroupIds": ",".join(settings.security_group_ids),
            "IsolatedZoneA": self._zones[0],
            "IsolatedZoneB": self._zones[1],
            "RekognitionMinutesADay": str(settings.rekognition_minutes_a_day or ""),
            "DetectionMode": settings.detection,
            "MaxDurationS": str(settings.max_duration_s),
            "MaxPixels": str(settings.max_pixels),
            **settings.renderer_parameters,
        }
        return StackWish(self._names.pipeline_stack, self._place.template("pipeline"), parameters)

    def _apply(self, name: str, wish: StackWish) -> None:
        try:
            self._tell(name, self._place.stacks.apply(wish))
        except StackFailed as error:
            most = _MEMORY_REFUSED.search(str(error))
            if most is None:
                raise
            raise QuotaTooLow(
                f"This account may give a function {most[1]} MB at most: set memory_mb: {most[1]} for"
                f" {self._names.settings.stage} in deploy/stages.yaml, or have the quota raised. {error}"
            ) from error

    def _tell(self, name: str, changes: list[str]) -> None:
        self._report.step(name, f"{len(changes)} changes" if changes else _NO_CHANGE)
        for change in changes:
            self._report.line(change)

    def _merge_policies(self, to_make: set[str]) -> None:
        for part in [part for part in PARTS if part not in to_make]:
            bucket = self._names.buckets[part]
            if require_tls(self._place.clients("s3"), bucket, self._names.account.partition):
                self._report.line(f"s3://{bucket}: its policy now refuses requests without TLS")

    def _push(self) -> str:
        digest = self._digest()
        outcome = f"{_NO_CHANGE}, {digest}"
        if not digest:
            with self._report.under_way("building and pushing the image"):
                ecr, place = self._place.clients("ecr"), self._place
                digest = push_image(self._source, self._image, ecr, place.find_engine)
            outcome = f"pushed, {digest}"
        self._report.step("image", outcome)
        return self._image_uri(digest)

    def _image_uri(self, digest: str) -> str:
        account = self._names.account
        suffix = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
        registry = f"{account.id}.dkr.ecr.{account.region}.{suffix}"
        return f"{registry}/{self._image.repository}@{digest}"

    @property
    def _definition_key(self) -> str:
        return f"{DEFINITIONS}{hashlib.sha256(self._place.definition).hexdigest()[:32]}.asl.json"

    def _upload_definition(self) -> None:
        """Upload the definition to the key that the pipeline template gets; the key names its content."""
        self._place.clients("s3").put_object(
            Bucket=self._names.buckets["work"], Key=self._definition_key, Body=self._place.definition
        )

    def _deploy_app(self, staged: StagedApp, pending: list[str]) -> None:
        if pending:
            with self._report.under_way("chalice deploy"):
                deploy_app(staged, self._place.clients, self._names)
        else:
            write_deployed(staged.folder / ".chalice", self._place.clients, self._names)
        self._tell("app", pending)
