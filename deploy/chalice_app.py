"""The Chalice app of one stage: staged with its names filled in, deployed and deleted by chalice itself.

Chalice's record of deployed resources is rebuilt from the account each time, so it is never stale.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.account import Clients
from deploy.bucket_notifications import notified_functions, silence
from deploy.errors import ChaliceFailed
from deploy.names import APP, EVENT_FUNCTIONS, INTAKE_FUNCTIONS, Names

DIGEST_TAG = "face-blur-app"
# chalice has no __main__: this is its console script, with the interpreter at hand.
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_PARTS = ("app.py", "chalicelib", "requirements.txt")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")
_PLACE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class StagedApp:
    """A copy of the app for chalice; `digest` identifies its content."""

    folder: Path
    stage: str
    functions: tuple[str, ...]
    digest: str


def stage_app(project: Path, folder: Path, names: Names) -> StagedApp:
    """Write the app with the stage's environment and policies into `folder`, replacing its content."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".chalice").mkdir(parents=True)
    for part in _PARTS:
        source = project / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=_IGNORED)
        else:
            shutil.copyfile(source, folder / part)
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    for name, function in config["lambda_functions"].items():
        source = project / ".chalice" / function["iam_policy_file"]
        function["iam_policy_file"] = f"policy-{name}.json"
        policy = filled_policy(source.read_text(encoding="utf-8"), names, name)
        _write_json(folder / ".chalice" / function["iam_policy_file"], policy)
    config["lambda_architecture"] = names.settings.architecture
    # chalice reads a function's own variables only here, not beside its policy.
    intake = {name: {"environment_variables": names.intake_environment} for name in INTAKE_FUNCTIONS}
    stage = {"environment_variables": names.environment, "lambda_functions": intake}
    config["stages"] = {names.settings.stage: stage}
    _write_json(folder / ".chalice" / "config.json", config)
    digest = _digest(folder)
    _write_json(folder / ".chalice" / "config.json", {**config, "tags": {DIGEST_TAG: digest}})
    return StagedApp(folder, names.settings.stage, tuple(config["lambda_functions"]), digest)


def filled_policy(text: str, names: Names, function: str) -> dict[str, Any]:
    """Return the policy in `text` for `function`, without statements whose names are empty here."""
    values = {**names.policy_values, "FunctionName": names.function(function)}
    policy: dict[str, Any] = json.loads(text)
    statements = [json.dumps(one) for one in policy["Statement"]]
    kept = [one for one in statements if all(values[name] for name in _PLACE.findall(one))]
    filled = [json.loads(_PLACE.sub(lambda match: values[match[1]], one)) for one in kept]
    return {**policy, "Statement": filled}


def deployed_functions(clients: Clients, names: Names) -> dict[str, dict[str, Any]]:
    """Return the configurations of the app's functions in the account, by their names in the app."""
    functions = clients("lambda")
    pages = functions.get_paginator("list_functions").paginate()
    found = (one for page in pages for one in page["Functions"])
    ours = f"stage={names.settings.stage}:app={APP}"
    return {
        one["FunctionName"].removeprefix(names.function("")): {**one, "Tags": tags}
        for one in found
        if one["FunctionName"].startswith(names.function("")) and one.get("PackageType") != "Image"
        for tags in [functions.list_tags(Resource=one["FunctionArn"]).get("Tags", {})]
        if tags.get("aws-chalice", "").endswith(ours)
    }


def pending_changes(staged: StagedApp, clients: Clients, names: Names) -> list[str]:
    """Return the changes of a deployment, a line for each function; empty where nothing differs."""
    deployed = deployed_functions(clients, names)
    notified = notified_functions(clients("s3"), names.buckets["input"])
    missing = [f"Add {name} (function)" for name in staged.functions if name not in deployed]
    other = [
        f"Modify {name} (function)"
        for name in staged.functions
        if name in deployed and deployed[name]["Tags"].get(DIGEST_TAG) != staged.digest
    ]
    gone = [f"Remove {name} (function)" for name in sorted(deployed.keys() - set(staged.functions))]
    silent = [
        f"Add the events of s3://{names.buckets['input']} to {name}"
        for name in EVENT_FUNCTIONS
        if name in deployed and names.function_arn(name) not in notified
    ]
    return missing + other + gone + silent


def deploy_app(staged: StagedApp, clients: Clients, names: Names) -> None:
    """Run `chalice deploy`; raise ChaliceFailed with its output.

    A first deployment that fails or is stopped leaves no function that S3 would call.
    """
    write_record(staged, clients, names)
    was_whole = set(staged.functions) <= deployed_functions(clients, names).keys()
    try:
        _chalice(staged, "deploy", names)
    except BaseException:
        if not was_whole:
            silence(clients("s3"), names)
        raise


def delete_app(staged: StagedApp, clients: Clients, names: Names) -> list[str]:
    """Run `chalice delete` and return the deleted functions."""
    functions = sorted(deployed_functions(clients, names))
    if functions:
        write_record(staged, clients, names)
        _chalice(staged, "delete", names)
    return functions


def write_record(staged: StagedApp, clients: Clients, names: Names) -> None:
    """Write chalice's record of the deployed functions."""
    deployed = deployed_functions(clients, names)
    resources = [one for name, function in deployed.items() for one in _record(name, function, clients)]
    record = {"resources": resources, "schema_version": "2.0", "backend": "api"}
    _write_json(staged.folder / ".chalice" / "deployed" / f"{staged.stage}.json", record)


def _record(name: str, function: Mapping[str, Any], clients: Clients) -> Iterator[dict[str, str]]:
    """Yield the entries of chalice's record for one function."""
    role = {"role_arn": function["Role"], "role_name": function["Role"].rpartition("/")[2]}
    yield {"name": f"{name}_role", "resource_type": "iam_role", **role}
    yield {"name": name, "resource_type": "lambda_function", "lambda_arn": function["FunctionArn"]}
    bucket = function.get("Environment", {}).get("Variables", {}).get("INPUT_BUCKET", "")
    if bucket and function["FunctionArn"] in notified_functions(clients("s3"), bucket):
        event = {"bucket": bucket, "lambda_arn": function["FunctionArn"]}
        yield {"name": f"{name}-s3event", "resource_type": "s3_event", **event}


def _chalice(staged: StagedApp, verb: str, names: Names) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _CHALICE, verb, "--stage", staged.stage],
        cwd=staged.folder,
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            # chalice knows this name of the variable only.
            "AWS_DEFAULT_REGION": names.account.region,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise ChaliceFailed(f"chalice {verb} ended with exit code {ended.returncode}:\n{ended.stdout}")


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def _write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
