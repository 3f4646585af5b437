"""All names and ARNs of a stage: they follow from stage and account, so none has to be stored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from chalicelib.contract.job import DetectionMode
from deploy.settings import StageSettings

APP = "face-blur"
PARTS = ("input", "work", "output")
NOTIFIED_FUNCTION, RULE_FUNCTION = EVENT_FUNCTIONS = ("face-detection", "face-detection-other")
INTAKE_FUNCTIONS = (*EVENT_FUNCTIONS, "start-face-detection")


@dataclass(frozen=True)
class Account:
    """The AWS account and region of a deployment."""

    id: str
    region: str
    partition: str = "aws"


@dataclass(frozen=True)
class Names:
    """The names of one stage in one account."""

    settings: StageSettings
    account: Account

    @property
    def prefix(self) -> str:
        """Return the prefix of all names of the stage."""
        return f"{APP}-{self.settings.stage}"

    @property
    def foundation_stack(self) -> str:
        """Return the name of the stack that is deployed before the app."""
        return f"{self.prefix}-foundation"

    @property
    def pipeline_stack(self) -> str:
        """Return the name of the stack around the app."""
        return f"{self.prefix}-pipeline"

    @cached_property
    def buckets(self) -> dict[str, str]:
        """Return the buckets by their part: those of the settings, or the stage's own."""
        return {part: self.settings.buckets.get(part) or self.own_bucket(part) for part in PARTS}

    def own_bucket(self, part: str) -> str:
        """Return the bucket that is made where the settings name none."""
        return f"{self.prefix}-{part}-{self.account.id}"

    def function(self, name: str) -> str:
        """Return the whole name of the function called `name` in the app."""
        return f"{self.prefix}-{name}"

    def function_arn(self, name: str) -> str:
        """Return the ARN of the function called `name` in the app."""
        return self._arn("lambda", f"function:{self.function(name)}")

    def log_group(self, name: str) -> str:
        """Return the log group of the function called `name` in the app."""
        return f"/aws/lambda/{self.function(name)}"

    @property
    def rule(self) -> str:
        """Return the name of EventBridge's rule for uploads, which chalice gives it."""
        return f"{self.function(RULE_FUNCTION)}-event"

    @property
    def dead_letter_queue(self) -> str:
        """Return the name of the queue of lost events."""
        return f"{self.prefix}-dead-letters"

    @property
    def state_machine_arn(self) -> str:
        """Return the ARN of the state machine."""
        return self._arn("states", f"stateMachine:{self.prefix}")

    @property
    def policy_values(self) -> dict[str, str]:
        """Return what the policy files of .chalice may name as `${Name}`; what is empty has no statement."""
        counts_uploads = bool(self.settings.uploads_per_hour)
        return {
            "Partition": self.account.partition,
            "Region": self.account.region,
            "AccountId": self.account.id,
            "Stage": self.settings.stage,
            "InputBucketName": self.buckets["input"],
            "WorkBucketName": self.buckets["work"],
            "OutputBucketName": self.buckets["output"],
            "StateMachineArn": self.state_machine_arn,
            "DeadLetterQueueArn": self._arn("sqs", self.dead_letter_queue),
            "KmsKeyArn": self.settings.kms_key_arn,
            # Rekognition's actions take no other resource; without one, its statements are left out.
            "RekognitionResource": "" if self.settings.detection == DetectionMode.CONTAINER.value else "*",
            "CountingWorkBucketName": self.buckets["work"] if counts_uploads else "",
            "CountingKmsKeyArn": self.settings.kms_key_arn if counts_uploads else "",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables of the app's functions."""
        return {
            "INPUT_BUCKET": self.buckets["input"],
            "WORK_BUCKET": self.buckets["work"],
            "OUTPUT_BUCKET": self.buckets["output"],
            "STATE_MACHINE_ARN": self.state_machine_arn,
            "VIDEO_SUFFIXES": ",".join(self.settings.suffixes) or "none",
        }

    @property
    def intake_environment(self) -> dict[str, str]:
        """Return the detectors and the limits of uploads, for the functions that start a detection."""
        limits = {
            "MAX_DURATION_S": self.settings.max_duration_s,
            "MAX_PIXELS": self.settings.max_pixels,
            "UPLOADS_PER_HOUR": self.settings.uploads_per_hour,
        }
        return {
            "DETECTION": self.settings.detection,
            **{name: str(limit) for name, limit in limits.items() if limit},
        }

    @property
    def outputs(self) -> dict[str, str]:
        """Return all that the app is given of the stage: what its variables, policies and packages hold."""
        architecture = {"Architecture": self.settings.architecture}
        return {**self.environment, **self.intake_environment, **self.policy_values, **architecture}

    @property
    def outputs_digest(self) -> str:
        """Return a digest of `outputs`; the functions carry it as a tag."""
        return hashlib.sha256(json.dumps(self.outputs, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def stack_parameters(self) -> dict[str, str]:
        """Return the parameters that both stacks take."""
        return {
            "Stage": self.settings.stage,
            **{f"{part.title()}BucketName": name for part, name in self.buckets.items()},
            "KmsKeyArn": self.settings.kms_key_arn,
        }

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.account.partition}:{service}:{self.account.region}:{self.account.id}:{resource}"
