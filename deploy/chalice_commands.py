"""Chalice's own commands in the repository's root, for the stages that `make deploy` recorded.

Chalice reads .chalice/config.json only, which holds the defaults of every stage. app.py calls this module
where Chalice's command line imports it, before Chalice reads what differs from stage to stage.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError
from chalice.config import Config
from click import ClickException

from chalicelib.contract.service_errors import error_code
from deploy.account import Clients, find_account
from deploy.chalice_app import STAGE_TAG, StageConfig, stage_config, write_deployed
from deploy.errors import DeployError, RecordUnusable
from deploy.names import EVENT_FUNCTIONS, Names
from deploy.stage_record import read_stage


def use_recorded_stage(project: Path, arguments: list[str]) -> None:
    """Complete Chalice's configuration by the record of the stage in `arguments`, those of Chalice's command.

    Raise ClickException, which Chalice's command line prints as one sentence.
    """
    options = _parse(arguments)
    command = options.words[0] if options.words else ""
    try:
        if command == "delete":
            raise RecordUnusable(
                f"`make remove STAGE={options.stage}` removes the stage: `chalice delete` would take the"
                " functions away from a state machine and a bucket that go on calling them."
            )
        names = read_stage(project / ".chalice", options.stage)
        if command == "deploy":
            _prepare_deployment(project / ".chalice", names, options.profile)
        completed = stage_config(project, names)
    except DeployError as error:
        if command == "local":
            return  # It serves routes, of which there are none: it starts without a stage, as everywhere.
        raise ClickException(str(error)) from error
    except (ClientError, BotoCoreError) as error:
        raise ClickException(f"AWS refused: {error}") from error
    if command != "local":  # It would start again: it watches the files of the project.
        completed.write_policies(project / ".chalice")
    os.environ.update(names.environment)
    _complete(completed)


def _prepare_deployment(chalice: Path, names: Names, profile: str | None) -> None:
    """Compare the record with the account; write chalice's record of what is deployed now."""
    region = names.account.region
    chosen = os.environ.get("AWS_REGION") or Session(profile_name=profile).region_name or region
    if chosen != region:
        raise RecordUnusable(
            f"Stage {names.settings.stage} is recorded for {region}, and the region is {chosen}: export"
            f" AWS_REGION={region} and AWS_DEFAULT_REGION={region}, or run"
            f" `make deploy STAGE={names.settings.stage}` there."
        )
    # chalice knows this name of the variable only.
    os.environ["AWS_DEFAULT_REGION"] = region
    clients = Session(profile_name=profile, region_name=region).client
    _require_as_recorded(clients, names)
    write_deployed(chalice, clients, names)


def _require_as_recorded(clients: Clients, names: Names) -> None:
    """Raise RecordUnusable where the credentials are another account's, or the stage is another by now."""
    stage = names.settings.stage
    account = find_account(clients("sts"), names.account.region)
    if account != names.account:
        raise RecordUnusable(
            f"Stage {stage} is recorded for account {names.account.id}, and the credentials are of"
            f" {account.id}: use those of {names.account.id}, or run `make deploy STAGE={stage}`."
        )
    arn = names.function_arn(EVENT_FUNCTIONS[0])
    try:
        tags = clients("lambda").list_tags(Resource=arn)["Tags"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        raise RecordUnusable(
            f"Stage {stage} is not in account {account.id} any more: run `make deploy STAGE={stage}` first."
        ) from error
    if tags.get(STAGE_TAG) != names.outputs_digest:
        raise RecordUnusable(
            f"Stage {stage} was deployed with other settings since this checkout recorded it: run"
            f" `make deploy STAGE={stage}`, with the deploy/stages.yaml that is meant."
        )


def _complete(completed: StageConfig) -> None:
    """Give the completed configuration to every Config of this process.

    Chalice asks `scope` for the configuration of each function, and has no other place to hand one in.
    """
    scope = Config.scope

    def completed_scope(self: Config, chalice_stage: str, function_name: str) -> Config:
        self.config_from_disk.update(completed.config)
        return scope(self, chalice_stage, function_name)

    Config.scope = completed_scope  # type: ignore[method-assign]  # see above


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Return what matters here of Chalice's command line; in `chalice local` click's context is elsewhere."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--profile")
    parser.add_argument("--project-dir")
    return parser.parse_known_args(arguments)[0]
