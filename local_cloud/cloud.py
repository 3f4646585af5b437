"""The local cloud: moto, Lambda, bucket events and Rekognition behind one port of this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from werkzeug.test import EnvironBuilder

from deploy.names import Names
from deploy.settings import StageSettings
from local_cloud.access.access_control import AccessControl
from local_cloud.access.authorization import Authorization
from local_cloud.cloudformation_service.api import CloudFormationApi
from local_cloud.cloudformation_service.stacks import Stacks
from local_cloud.eventbridge_service.bucket_rules import BucketRules
from local_cloud.eventbridge_service.delivery import EndedExecution, EventBridge
from local_cloud.faults.middleware import FaultFront
from local_cloud.faults.rules import Faults
from local_cloud.front import Front
from local_cloud.http.access_keys import OPERATOR, AccessKeys, Caller
from local_cloud.http.clients import CloudClients
from local_cloud.http.iam_calls import AnsweredCall, ServiceCall, ServiceCalls
from local_cloud.http.serial_moto import SerialMoto
from local_cloud.http.wsgi import call
from local_cloud.identity import cloud_environment
from local_cloud.lambda_service.api import LambdaApi
from local_cloud.lambda_service.concurrency import AccountLimit
from local_cloud.lambda_service.forks import Forks
from local_cloud.lambda_service.invocations import Invocations, LostEvent
from local_cloud.lambda_service.on_failure import DeadLetters
from local_cloud.lambda_service.pushed_images import PushedImages
from local_cloud.lambda_service.registry import Function, FunctionRegistry
from local_cloud.lambda_service.sandbox import Place, Sandbox
from local_cloud.process_environment import claim_process, process_environment
from local_cloud.project import STAGE, Buckets, ReplayEngine, deploy_project
from local_cloud.s3_service.api import BucketPolicies, S3Api
from local_cloud.s3_service.cors import BucketCors
from local_cloud.s3_service.events import BucketEvents
from local_cloud.settings import CloudSettings
from local_cloud.stepfunctions_service.api import StatesApi
from local_cloud.stepfunctions_service.interpreter import Interpreter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Self

    from local_cloud.rekognition_service.api import RekognitionVideo

# The highest concurrency of an inline Map in Step Functions.
_SEGMENTS_MAX = 40


class NotDeployed(Exception):
    """The requested names exist only after a project is deployed."""


class LocalCloud:
    """Context manager for one local cloud; it leaves no process, thread, file or variable behind."""

    def __init__(self, settings: CloudSettings | None = None) -> None:
        self.settings = settings or CloudSettings()
        self._resources = ExitStack()
        self._names: Names | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._open(opening)
            self._resources = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.__exit__(kind, error, trace)

    @property
    def endpoint_url(self) -> str:
        """Return the URL of the cloud."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make AWS clients use this cloud only."""
        return self._variables_of(OPERATOR)

    @property
    def buckets(self) -> Buckets:
        """Return the deployed project's buckets."""
        return Buckets(**self._deployed.buckets)

    @property
    def state_machine_arn(self) -> str:
        """Return the ARN of the deployed project's state machine."""
        return self._deployed.state_machine_arn

    @property
    def lost_events(self) -> list[LostEvent]:
        """Return the events on which their function failed in every try."""
        return self._invocations.lost_events

    def log_group(self, function: str) -> str:
        """Return the log group of the function called `function` in the deployed app."""
        return self._deployed.log_group(function)

    def client(self, service: str) -> Any:
        """Return the boto3 client of this cloud for `service`, independent of the caller's profile."""
        return self._clients.get(service)

    def client_of(self, service: str, caller: Caller) -> Any:
        """Return the boto3 client for `service` that calls in a role, as functions do."""
        return self._clients.get(service, caller)

    def function(self, name: str) -> Function | None:
        """Return the deployed function of this whole name."""
        return self._registry.find(name)

    def forget_calls(self) -> None:
        """Begin the record of calls and answers anew."""
        self._calls.forget()

    def calls(self) -> frozenset[ServiceCall]:
        """Return the IAM calls of each function and of the state machine so far."""
        return self._calls.made()

    def answers(self) -> Counter[AnsweredCall]:
        """Return how often each of these calls got each answer."""
        return self._calls.answered()

    def settle(self) -> None:
        """Wait for calls that go on without their caller because of a fault."""
        self._fault_front.settle()

    @property
    def app_folder(self) -> Path:
        """Return the folder in which the app is staged for chalice, with its names filled in."""
        return self._folder / "app"

    def deploy(self, project: Path, chalice: Path | None = None, stage: StageSettings | None = None) -> None:
        """Deploy like `make deploy`: stacks, image, and the app by a real `chalice deploy`.

        The stage is recorded in the folder `chalice`, if one is given; `stage` has options of the stage.
        """
        engine = ReplayEngine(self._images, self._folder)
        # More functions than processors would only slow each other down.
        at_once = {"SEGMENTS_AT_ONCE": str(min(self.settings.image_concurrency, _SEGMENTS_MAX))}
        renderer = {**at_once, **self.settings.renderer}
        # Its account may run few functions at once, and still give each its memory.
        settings = replace(
            stage or StageSettings(STAGE),
            is_memory_given=True,
            detection=self.settings.detection,
            renderer=renderer,
        )
        self._names = deploy_project(project, self.app_folder, self.client, engine, settings, chalice)

    @property
    def _deployed(self) -> Names:
        if self._names is None:
            raise NotDeployed("deploy a project first")
        return self._names

    def _open(self, opening: ExitStack) -> None:
        from local_cloud.http.server import CloudServer, moto_application  # noqa: PLC0415 moto loads in half a second

        claim_process(opening)
        self._folder = Path(tempfile.mkdtemp(prefix="face-blur-cloud-"))
        opening.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._motos = moto_application()
        self._moto = SerialMoto(self._motos, lambda: self._interpreter.change())  # noqa: PLW0108 made below
        self._keys = AccessKeys()
        self._event_bridge = EventBridge(self.client)
        self._interpreter = Interpreter(
            self._keys,
            self._moto.alone("states"),
            lambda *ended: self._event_bridge.execution_ended(EndedExecution(*ended)),
        )
        opening.callback(self._interpreter.close)
        self._registry = FunctionRegistry(self._folder / "functions")
        self._calls = ServiceCalls()
        self.faults = Faults()
        self._invocations = Invocations(
            lambda function: Sandbox(function, self._place),
            self._concurrency_of,
            self.settings.retry_delays_s,
            lambda event: DeadLetters(self._clients, self._registry.find).send(event),
            AccountLimit(self.settings.account_concurrency),
        )
        rekognition = self._make_rekognition()
        self._server = CloudServer(self._front(rekognition), self.settings.port)
        opening.callback(self._server.close)
        opening.enter_context(process_environment({**self.environment, "MOTO_PORT": str(self._server.port)}))
        self._clients = CloudClients(self.endpoint_url, self._keys)
        opening.callback(self._clients.close)
        forks = Forks(self._folder)
        opening.callback(forks.close)
        self._place = Place(
            self._folder / "sandboxes",
            lambda function: self._variables_of(function.caller),
            lambda function: self._clients.get("logs", function.caller),
            self.settings.runtime_client,
            forks,
        )
        self._reset()
        for ending in (
            self._reset,
            self._event_bridge.close,
            self._fault_front.close,
            rekognition.close,
            # Again: an event in progress may have started one more.
            self._stop_executions,
            self._invocations.close,
            self._stop_executions,
        ):
            opening.callback(ending)

    def _front(self, rekognition: RekognitionVideo) -> AccessControl:
        policies = BucketPolicies()
        authorization = Authorization(policies.find, self._subnets_of)
        lambda_api = LambdaApi(
            self._moto,
            self._registry,
            self._invocations,
            authorization.missing,
            self.settings,
        )
        rules = BucketRules(self._moto)
        events = BucketEvents(lambda_api.send_event, self.settings.event_deliveries, rules.targets)
        cors = BucketCors()
        s3_api = S3Api(self._moto, events, lambda_api.is_destination, cors, policies)
        self._images = PushedImages(self._registry, self.client, self._folder / "images")
        own: dict[str, WSGIApplication] = {
            "lambda": lambda_api,
            "s3": s3_api,
            "rekognition": rekognition,
            "states": StatesApi(self._moto, authorization.missing),
            "cloudformation": CloudFormationApi(Stacks(self.client)),
            "images": self._images,
        }
        self._fault_front = FaultFront(self.faults, self._invocations.act_on)
        front = Front(self._moto, own, self._calls, self._fault_front, authorization)
        return AccessControl(front, self._keys, cors)

    def _make_rekognition(self) -> RekognitionVideo:
        from local_cloud.rekognition_service.api import RekognitionSettings, RekognitionVideo  # noqa: PLC0415 loads cv2 and av

        settings = self.settings.rekognition or RekognitionSettings()
        return RekognitionVideo(lambda: self._clients.make("s3"), settings)

    def _variables_of(self, caller: Caller) -> dict[str, str]:
        key = self._keys.issue(caller)
        return cloud_environment(self.endpoint_url, key.key_id, key.secret, key.token)

    def _subnets_of(self, principal: str) -> tuple[str, ...]:
        function = self._registry.find(principal)
        return function.subnet_ids if function else ()

    def _concurrency_of(self, function: Function) -> int:
        return self.settings.image_concurrency if function.is_image else self.settings.zip_concurrency

    def _reset(self) -> None:
        """Empty moto, whose state belongs to the process, and enable its state machine interpreter."""
        self._post("/moto-api/reset", {})
        self._post("/moto-api/config", {"stepfunctions": {"execute_state_machine": True}})

    def _post(self, path: str, document: dict[str, Any]) -> None:
        # Not through the access control: moto's own interface is for this cloud only.
        request = EnvironBuilder(path, method="POST", json=document)
        answer = call(self._moto, request.get_environ())
        if not answer.succeeded:
            raise RuntimeError(f"moto answered {answer.status} to {path}: {answer.get_data()!r}")

    def _stop_executions(self) -> None:
        """Stop running executions: the interpreter's threads would go on calling a closed port."""
        if "stepfunctions" not in self._motos.app_instances:
            # Not used so far, and moto would take a second to load it.
            return
        stepfunctions = self.client("stepfunctions")
        pages = stepfunctions.get_paginator("list_executions")
        for machine in stepfunctions.list_state_machines()["stateMachines"]:
            arn = machine["stateMachineArn"]
            found = pages.paginate(stateMachineArn=arn, statusFilter="RUNNING").build_full_result()
            for execution in found["executions"]:
                stepfunctions.stop_execution(executionArn=execution["executionArn"])
