"""Who may import whom: the layers of the design, held by reading every import statement."""

import ast
import sys
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
PURE = {
    "association",
    "bridges",
    "departures",
    "doubts",
    "geometry",
    "joining",
    "layout",
    "paths",
    "sightings",
    "timeline",
    "track",
    "tracks",
    "tracks_document",
    "ways",
    "windows",
}


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
    """Return the Python files below `folder`."""
    return sorted((ROOT / folder).rglob("*.py"))


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
    """What they run ships no wheel, and knows nothing of the framework around it."""
    roots = {module.partition(".")[0] for module in imports(path)}

    assert not roots & {"chalice", "cv2", "av", "numpy"}
    assert all(module.startswith("chalicelib") for module in own_imports(path))


@pytest.mark.parametrize("path", files("blur_container"), ids=name)
def test_container_imports_the_contract_and_itself_only(path: Path) -> None:
    """The image holds blur_container and the contract, nothing else of this project."""
    allowed = ("blur_container", *CONTRACT)

    assert all(module.startswith(allowed) for module in own_imports(path))


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_know_no_pixels_files_or_services(module: str) -> None:
    """Time, tracks and geometry take and return values."""
    roots = {name.partition(".")[0] for name in imports(ROOT / "blur_container" / f"{module}.py")}

    assert not roots & {"cv2", "av", "boto3", "botocore", "os", "pathlib", "threading", "io"}


SPEAKING = {"transfer.py", "storage_errors.py"}


@pytest.mark.parametrize(
    "path",
    [path for path in files("blur_container") if path.name not in SPEAKING],
    ids=name,
)
def test_only_transfer_speaks_to_services(path: Path) -> None:
    """boto3 lives in one module of the container, beside the names for its errors."""
    roots = {module.partition(".")[0] for module in imports(path)}

    assert not roots & {"boto3", "botocore"}


@pytest.mark.parametrize("path", files("deploy"), ids=name)
def test_deployments_import_the_contract_and_themselves_only(path: Path) -> None:
    """What deploys knows the code by its files, templates and names."""
    allowed = ("deploy", *CONTRACT)

    assert all(module.startswith(allowed) for module in own_imports(path))


def test_nobody_imports_the_local_cloud() -> None:
    """Production code has no local mode."""
    production = [ROOT / "app.py", *files("chalicelib"), *files("blur_container"), *files("deploy")]

    importers = [name(path) for path in production if any(m.startswith("local_cloud") for m in imports(path))]

    assert importers == []


@pytest.mark.parametrize("path", [ROOT / "app.py", *files("chalicelib"), *files("blur_container")], ids=name)
def test_functions_start_no_program_and_follow_no_address(path: Path) -> None:
    """Nothing of an upload can become a command, code, or a request to somewhere else."""
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
