"""The record of a stage in this checkout's .chalice: what Chalice's own commands in the root need of it.

`make deploy` writes it and never reads it: names still follow from settings and account.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from deploy.account import Clients
from deploy.chalice_app import STAGES, deployed_path, write_deployed, write_json
from deploy.errors import RecordUnusable
from deploy.names import Account, Names
from deploy.settings import StageSettings

_RECORD = "outputs.json"


def record_stage(chalice: Path, clients: Clients, names: Names) -> Path:
    """Write the record of the stage below the folder `chalice`; return its folder."""
    folder = chalice / STAGES / names.settings.stage
    record = {
        "account": dataclasses.asdict(names.account),
        "settings": dataclasses.asdict(names.settings),
        "outputs": names.outputs,
    }
    write_json(folder / _RECORD, record)
    write_deployed(chalice, clients, names)
    return folder


def forget_stage(chalice: Path, stage: str) -> None:
    """Remove the record of the stage; without one do nothing."""
    shutil.rmtree(chalice / STAGES / stage, ignore_errors=True)
    deployed_path(chalice, stage).unlink(missing_ok=True)


def read_stage(chalice: Path, stage: str) -> Names:
    """Return the names of the recorded stage; raise RecordUnusable where there is no record that fits."""
    path = chalice / STAGES / stage / _RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordUnusable(
            f"Stage {stage} is not recorded in this checkout: run `make deploy STAGE={stage}` first; it"
            " makes what the functions need, and records it for chalice."
        ) from error
    except (OSError, ValueError) as error:
        raise RecordUnusable(
            f"{path} cannot be read ({error}): run `make deploy STAGE={stage}`, which writes it again."
        ) from error
    try:
        names = Names(_settings(record["settings"]), Account(**record["account"]))
        fits = names.outputs == record["outputs"] and names.settings.stage == stage
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise RecordUnusable(
            f"Another version of this project recorded stage {stage}: run `make deploy STAGE={stage}`, which"
            " deploys this version and records it."
        )
    return names


def _settings(fields: dict[str, Any]) -> StageSettings:
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return StageSettings(**{**fields, **lists})
