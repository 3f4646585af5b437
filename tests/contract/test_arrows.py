"""Who may import whom: the layers of the design, held by reading every import statement."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parent.parent.parent


class PlainCall(ast.Call):
    """A call by a bare name."""

    func: ast.Name


LIBRARY = set(sys.stdlib_module_names)
CONTRACT = {"chalicelib.contract"}
OWN = {"app", "chalicelib", "blur_container", "local_cloud", "benchmarks", "deploy", "tests"}
# What each package or root module of the container may import, besides the contract: downward only.
ALLOWED = {
    "limits": "",
    "geometry": "",
    "timing": "",
    "scratch": "",
    "environment": "",
    "settings": "limits environment",
    "storage": "",
    "reading": "geometry timing limits scratch",
    "tracking": "geometry timing settings",
    "writing": "geometry scratch settings reading",
    "analysis": "geometry timing limits settings reading tracking",
    "model_build": "geometry analysis",
    "masking": "geometry settings reading tracking",
    "smart_render": "geometry settings reading writing",
    "rendering": "geometry timing settings reading tracking writing analysis masking smart_render",
    "segments": "timing settings reading tracking writing analysis smart_render rendering",
    "functions": "timing scratch settings storage reading tracking writing analysis rendering segments",
    "handler": "scratch settings storage functions",
    "__main__": "settings rendering",
}
# The same for the local cloud.
ALLOWED_LOCALLY = {
    "errors": "",
    "identity": "",
    "process_environment": "",
    "settings": "",
    "http": "errors identity",
    "faults": "identity http",
    "s3_service": "identity http",
    "lambda_service": "http settings",
    "rekognition_service": "settings",
    "stepfunctions_service": "identity http",
    "cloudformation_service": "identity http",
    "eventbridge_service": "identity http",
    "access": "identity http s3_service",
    "front": "http faults lambda_service access",
    "project": "errors identity http lambda_service",
    "cloud": (
        "identity settings process_environment project http faults s3_service lambda_service "
        "rekognition_service stepfunctions_service cloudformation_service "
        "eventbridge_service access front"
    ),
    "commands": "errors settings project rekognition_service cloud",
    "__main__": "errors commands",
}
PURE = ("geometry.py", "timing.py", "tracking")


def imports(path: Path) -> set[str]:
    """Return the full names of all modules that the file at `path` imports, wherever in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


def own_imports(path: Path) -> set[str]:
    """Return the modules of this project among the imports of the file at `path`."""
    return {name for name in imports(path) if name.partition(".")[0] in OWN}


def files(folder: str) -> list[Path]:
    """Return the Python files below `folder`, or that file."""
    place = ROOT / folder
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def name(path: Path) -> str:
    """Return the file as it is called from the root of the project."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files("chalicelib/contract"), ids=name)
def test_contract_needs_the_standard_library_only(path: Path) -> None:
    """The contract is copied into the image and must run wherever Python runs."""
    foreign = {module for module in imports(path) if module.partition(".")[0] not in LIBRARY}

    assert all(module.startswith("chalicelib.contract") for module in foreign)


@pytest.mark.parametrize("path", files("chalicelib"), ids=name)
def test_light_lambdas_never_import_the_framework_or_pixels(path: Path) -> None:
    """The modules of the light functions import neither Chalice nor any wheel."""
    roots = {module.partition(".")[0] for module in imports(path)}

    assert not roots & {"chalice", "cv2", "av", "numpy"}
    assert all(module.startswith("chalicelib") for module in own_imports(path))


@pytest.mark.parametrize("path", files("blur_container"), ids=name)
def test_container_imports_the_contract_and_itself_only(path: Path) -> None:
    """The image holds blur_container and the contract, nothing else of this project."""
    allowed = ("blur_container", *CONTRACT)

    assert all(module.startswith(allowed) for module in own_imports(path))


@pytest.mark.parametrize(
    "path", [path for place in PURE for path in files(f"blur_container/{place}")], ids=name
)
def test_pure_modules_know_no_pixels_files_or_services(path: Path) -> None:
    """Time, tracks and geometry take and return values."""
    roots = {module.partition(".")[0] for module in imports(path)}

    assert not roots & {"cv2", "av", "boto3", "botocore", "os", "pathlib", "threading", "io"}


@pytest.mark.parametrize(
    "path", [path for path in files("blur_container") if path.parent.name != "storage"], ids=name
)
def test_only_storage_speaks_to_services(path: Path) -> None:
    """boto3 lives in one package of the container."""
    roots = {module.partition(".")[0] for module in imports(path)}

    assert not roots & {"boto3", "botocore"}


@pytest.mark.parametrize(
    ("top", "allowed"),
    [("blur_container", ALLOWED), ("local_cloud", ALLOWED_LOCALLY)],
    ids=lambda value: value,
)
def test_packages_import_what_the_table_allows(top: str, allowed: dict[str, str]) -> None:
    """The table holds exactly the arrows there are."""
    assert arrows(top) == {part: set(below.split()) for part, below in allowed.items()}


@pytest.mark.parametrize("top", ["blur_container", "local_cloud", "benchmarks", "deploy", "chalicelib"])
def test_neither_packages_nor_files_import_in_circles(top: str) -> None:
    """Whoever reads one file never has to read those above it."""
    TopologicalSorter(arrows(top)).prepare()
    TopologicalSorter({module(path): own_imports(path) for path in files(top)}).prepare()


def arrows(top: str) -> dict[str, set[str]]:
    """Return which packages and root modules of `top` import which others."""
    found: dict[str, set[str]] = {}
    for path in files(top):
        part = part_of(module(path), top)
        below = {part_of(other, top) for other in own_imports(path) if other.startswith(f"{top}.")}
        found.setdefault(part, set()).update(below - {part})
    return {part: below for part, below in found.items() if part}


def module(path: Path) -> str:
    """Return the full name of the module in the file at `path`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(full_name: str, top: str) -> str:
    """Return which package or root module below `top` a module belongs to."""
    return full_name.removeprefix(top).lstrip(".").partition(".")[0]


@pytest.mark.parametrize("path", files("deploy"), ids=name)
def test_deployments_import_the_contract_and_themselves_only(path: Path) -> None:
    """The deploy package imports no other code than the contract."""
    allowed = ("deploy", *CONTRACT)

    assert all(module.startswith(allowed) for module in own_imports(path))


def test_nobody_imports_the_local_cloud() -> None:
    """No production module imports the local cloud."""
    production = [ROOT / "app.py", *files("chalicelib"), *files("blur_container"), *files("deploy")]

    importers = [name(path) for path in production if any(m.startswith("local_cloud") for m in imports(path))]

    assert importers == []


@pytest.mark.parametrize("path", [ROOT / "app.py", *files("chalicelib"), *files("blur_container")], ids=name)
def test_functions_start_no_program_and_follow_no_address(path: Path) -> None:
    """No function's code starts a process, evaluates code, or opens a URL."""
    called = {
        node.func.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if is_plain(node)
    }
    roots = {module.partition(".")[0] for module in imports(path)}

    assert not roots & {
        "subprocess",
        "pickle",
        "marshal",
        "shelve",
        "ctypes",
        "urllib3",
        "requests",
        "socket",
    }
    assert not imports(path) & {"urllib.request", "http.client", "ftplib"}
    assert not called & {"eval", "exec", "compile", "__import__"}
    assert "os.system" not in path.read_text(encoding="utf-8")


def is_plain(node: ast.AST) -> TypeGuard[PlainCall]:
    """Return whether `node` calls something by its bare name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
