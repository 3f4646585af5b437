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
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.account import Clients
from deploy.bucket_notifications import notified_functions, silence, tell_event_bridge, tells_event_bridge
from deploy.errors import ChaliceFailed
from deploy.names import APP, INTAKE_FUNCTIONS, NOTIFIED_FUNCTION, RULE_FUNCTION, Names

DIGEST_TAG = "face-blur-app"
STAGE_TAG = "face-blur-stage"
# The policies of a stage, and its record, below .chalice.
STAGES = "stages"
# chalice has no __main__: this is its console script, with the interpreter at hand.
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_PARTS = ("app.py", "chalicelib", "requirements.txt")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")
_PLACE = re.compile(r"\$\{(\w+)\}")


# S3 says so of a function whose permission is seconds old; chalice asks once.
_NOT_SEEN = "Unable to validate"
_PERMISSION_DELAYS_S = (2.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class StageConfig:
    """Chalice's configuration of one stage: the defaults of .chalice, completed.

    `policies` has the policy files by their paths below .chalice; `digest` is of the app and all of it.
    """

    config: dict[str, Any]
    policies: dict[str, dict[str, Any]]
    digest: str

    def write_policies(self, chalice: Path) -> None:
        """Write the policy files below the folder `chalice`."""
        for name, policy in self.policies.items():
            write_json(chalice / name, policy)


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
    completed = stage_config(project, names)
    completed.write_policies(folder / ".chalice")
    write_json(folder / ".chalice" / "config.json", completed.config)
    for path in folder.rglob("*"):
        # Zipped with their modes: of a checkout under umask 077 Lambda's user could read nothing.
        path.chmod(0o755 if path.is_dir() else 0o644)
    functions = tuple(completed.config["lambda_functions"])
    return StagedApp(folder, names.settings.stage, functions, completed.digest)


def stage_config(project: Path, names: Names) -> StageConfig:
    """Return the defaults in the project's .chalice, completed for the stage."""
    chalice, stage = project / ".chalice", names.settings.stage
    config = json.loads((chalice / "config.json").read_text(encoding="utf-8"))
    policies = {}
    functions: dict[str, dict[str, Any]] = {}
    for name, function in config["lambda_functions"].items():
        place = f"{STAGES}/{stage}/policy-{name}.json"
        text = (chalice / function["iam_policy_file"]).read_text(encoding="utf-8")
        policies[place] = filled_policy(text, names, name)
        functions[name] = {"iam_policy_file": place}
    for name in INTAKE_FUNCTIONS:
        # chalice reads a function's own variables only here, not beside its timeout.
        functions[name]["environment_variables"] = names.intake_environment
    entry = {
        "lambda_architecture": names.settings.architecture,
        "environment_variables": names.environment,
        "lambda_functions": functions,
        "tags": {STAGE_TAG: names.outputs_digest},
    }
    config.setdefault("stages", {})[stage] = _merged(config.get("stages", {}).get(stage, {}), entry)
    digest = _digest(project, [config, policies])
    config["stages"][stage]["tags"][DIGEST_TAG] = digest
    return StageConfig(config, policies, digest)


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
    tells = {
        NOTIFIED_FUNCTION: names.function_arn(NOTIFIED_FUNCTION) in notified,
        RULE_FUNCTION: tells_event_bridge(clients("s3"), names.buckets["input"])
        and _has_rule(clients("events"), names.rule),
    }
    silent = [
        f"Add the events of s3://{names.buckets['input']} to {name}"
        for name, is_told in tells.items()
        if name in deployed and not is_told
    ]
    return missing + other + gone + silent


def deploy_app(
    staged: StagedApp, clients: Clients, names: Names, wait: Callable[[float], None] = time.sleep
) -> None:
    """Run `chalice deploy`; raise ChaliceFailed with its output.

    A first deployment that fails or is stopped leaves no function that S3 would call.
    """
    deployed = deployed_functions(clients, names).keys()
    tell_event_bridge(clients("s3"), names.buckets["input"], deployed, wait)
    was_whole = set(staged.functions) <= deployed
    try:
        _deploy_when_permitted(staged, clients, names)
    except BaseException:
        if not was_whole:
            silence(clients("s3"), names)
            _delete_rule(clients("events"), names.rule)
        raise


def _deploy_when_permitted(staged: StagedApp, clients: Clients, names: Names) -> None:
    """Run `chalice deploy`, again where S3 does not see yet that it may call a function."""
    delays_s = iter(_PERMISSION_DELAYS_S)
    while True:
        write_deployed(staged.folder / ".chalice", clients, names)
        try:
            _chalice(staged, "deploy", names)
        except ChaliceFailed as error:
            delay_s = next(delays_s, None)
            if delay_s is None or _NOT_SEEN not in str(error):
                raise
            time.sleep(delay_s)
        else:
            return


def delete_app(staged: StagedApp, clients: Clients, names: Names) -> list[str]:
    """Run `chalice delete` and return the deleted functions."""
    functions = sorted(deployed_functions(clients, names))
    if functions:
        write_deployed(staged.folder / ".chalice", clients, names)
        _chalice(staged, "delete", names)
    return functions


def write_deployed(chalice: Path, clients: Clients, names: Names) -> None:
    """Write chalice's record of the deployed functions below the folder `chalice`."""
    deployed = deployed_functions(clients, names)
    resources = [one for name, function in deployed.items() for one in _record(name, function, clients)]
    record = {"resources": resources, "schema_version": "2.0", "backend": "api"}
    write_json(deployed_path(chalice, names.settings.stage), record)


def deployed_path(chalice: Path, stage: str) -> Path:
    """Return the path of chalice's record of a stage below the folder `chalice`."""
    return chalice / "deployed" / f"{stage}.json"


def _record(name: str, function: Mapping[str, Any], clients: Clients) -> Iterator[dict[str, str]]:
    """Yield the entries of chalice's record for one function."""
    role = {"role_arn": function["Role"], "role_name": function["Role"].rpartition("/")[2]}
    yield {"name": f"{name}_role", "resource_type": "iam_role", **role}
    yield {"name": name, "resource_type": "lambda_function", "lambda_arn": function["FunctionArn"]}
    bucket = function.get("Environment", {}).get("Variables", {}).get("INPUT_BUCKET", "")
    if bucket and function["FunctionArn"] in notified_functions(clients("s3"), bucket):
        event = {"bucket": bucket, "lambda_arn": function["FunctionArn"]}
        yield {"name": f"{name}-s3event", "resource_type": "s3_event", **event}
    rule = f"{function['FunctionName']}-event"
    if _has_rule(clients("events"), rule):
        yield {"name": f"{name}-event", "resource_type": "cloudwatch_event", "rule_name": rule}


def _delete_rule(events: Any, name: str) -> None:
    """Delete a rule of EventBridge with its targets, where there is one."""
    targets = _targets_of(events, name)
    if targets is None:
        return
    if targets:
        events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


def _has_rule(events: Any, name: str) -> bool:
    """Return whether a rule of EventBridge calls something."""
    return bool(_targets_of(events, name))


def _targets_of(events: Any, rule: str) -> list[str] | None:
    """Return the ids of what a rule of EventBridge calls; None where there is no such rule."""
    try:
        return [target["Id"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
    except events.exceptions.ResourceNotFoundException:
        return None


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


def _merged(ours: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return `ours` with all of `entry` in it, mapping by mapping."""
    both = {
        name: _merged(ours[name], entry[name])
        for name in ours.keys() & entry.keys()
        if isinstance(entry[name], dict)
    }
    return {**ours, **entry, **both}


def _digest(project: Path, documents: list[Any]) -> str:
    """Return the digest of the app's files and of `documents`."""
    digest = hashlib.sha256(json.dumps(documents, sort_keys=True).encode())
    for part in _PARTS:
        place = project / part
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def write_json(path: Path, document: Any) -> None:
    """Write `document` to `path`, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
