"""The face model: its files are checked, and the precision is the one that the processor is made for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blur_container.analysis.face_detector import FaceDetector
from blur_container.analysis.face_model import (
    INDEX,
    OUTPUTS,
    ModelFiles,
    OnnxModel,
    Precision,
    load_model,
    model_folder,
    processor_flags,
)
from chalicelib.contract.errors import ModelDamaged

ROOT = Path(__file__).parent.parent.parent.parent
INT8, FP32 = Precision.INT8, Precision.FP32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the model that was built."""
    return Path(shutil.copytree(model_folder(), tmp_path / "face_model"))


def name_of(folder: Path, precision: Precision) -> str:
    """Return the name of the model's file."""
    return ModelFiles.read(folder).files[precision][0]


def test_model_is_loaded_once_per_process() -> None:
    """Two detectors with as many threads share one."""
    assert load_model(1) is load_model(1)


@pytest.mark.parametrize("precision", list(Precision))
def test_model_that_was_built_is_the_one_that_is_read(precision: Precision) -> None:
    """Its content has the hash in the index."""
    files = ModelFiles.read(model_folder())

    content = files.content(precision)

    assert hashlib.sha256(content).hexdigest() == files.files[precision][1]


def test_eight_bits_take_a_third_of_the_space() -> None:
    """2.1 MB instead of 7.3: it is quantised indeed."""
    files = ModelFiles.read(model_folder())

    assert len(files.content(INT8)) < len(files.content(FP32)) / 3


@pytest.mark.parametrize("precision", list(Precision))
def test_changed_byte_is_damage(folder: Path, precision: Precision) -> None:
    """One bit of a weight is enough."""
    path = folder / name_of(folder, precision)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelDamaged, match=path.name):
        ModelFiles.read(folder).content(precision)


@pytest.mark.parametrize("precision", list(Precision))
def test_missing_file_is_damage(folder: Path, precision: Precision) -> None:
    """The error names the file."""
    path = folder / name_of(folder, precision)
    path.unlink()

    with pytest.raises(ModelDamaged, match=path.name):
        ModelFiles.read(folder).content(precision)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"files": []}', '{"files": {"int4": {"name": "x", "sha256": "y"}}}', '{"files": {}}'],
)
def test_index_that_says_nothing_is_damage(folder: Path, text: str) -> None:
    """Empty, of another kind, of another version."""
    (folder / INDEX).write_text(text)

    with pytest.raises(ModelDamaged, match=INDEX):
        ModelFiles.read(folder)


def test_missing_folder_is_damage(tmp_path: Path) -> None:
    """There is no index to read."""
    with pytest.raises(ModelDamaged, match="missing"):
        load_model(1, tmp_path / "missing")


def test_no_model_on_the_path_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which folder is looked for."""
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(ModelDamaged, match="face_model"):
        model_folder()


def test_file_that_is_no_network_is_damage() -> None:
    """Its hash may be right all the same, if it was built so."""
    with pytest.raises(ModelDamaged, match="onnxruntime"):
        OnnxModel(b"no network", 1)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (set(), FP32),
        ({"avx2", "fma"}, FP32),
        ({"avx2", "avx512f", "avx512bw"}, FP32),
        ({"avx2", "avx512f", "avx512_vnni"}, INT8),
        ({"avx2", "avx_vnni"}, INT8),
        ({"asimd"}, FP32),
        ({"asimd", "asimddp"}, INT8),
    ],
)
def test_eight_bits_are_for_processors_that_have_them(flags: set[str], expected: Precision) -> None:
    """Elsewhere they are not faster, and overflow."""
    assert ModelFiles.read(model_folder()).precision_for(frozenset(flags)) is expected


def test_model_built_without_eight_bits_runs_in_floats(folder: Path) -> None:
    """Whatever the processor has."""
    index = json.loads((folder / INDEX).read_text())
    del index["files"]["int8"]
    (folder / INDEX).write_text(json.dumps(index))

    assert ModelFiles.read(folder).precision_for(frozenset({"avx512_vnni"})) is FP32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx2\n", {"fpu", "avx2"}),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\n", {"fp", "asimd", "asimddp"}),
    ],
)
def test_flags_are_those_of_the_kernel(tmp_path: Path, text: str, expected: set[str]) -> None:
    """Linux calls them flags on x86, and Features on Arm."""
    (tmp_path / "cpuinfo").write_text(text)

    assert processor_flags(tmp_path / "cpuinfo") == expected


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(("width", "height"), [(64, 32), (96, 128)])
def test_both_precisions_take_pictures_of_any_size(precision: Precision, width: int, height: int) -> None:
    """The sides are multiples of 32; each output has a value for every 4 x 4 pixels."""
    model = OnnxModel(ModelFiles.read(model_folder()).content(precision), 1)

    outputs = model.run(np.zeros((1, 3, height, width), np.float32))

    assert [output.shape for output in outputs] == [
        (1, channels, height // 4, width // 4) for channels in (1, 2, 2, 10)
    ]
    assert len(outputs) == len(OUTPUTS)


@pytest.mark.parametrize("precision", list(Precision))
def test_both_precisions_find_nothing_in_black(precision: Precision) -> None:
    """The detector works with either model."""
    model = OnnxModel(ModelFiles.read(model_folder()).content(precision), 1)

    assert FaceDetector(model=model).detect(np.zeros((180, 320, 3), np.uint8)) == ()


LOADING = "from blur_container.analysis.face_model import load_model; load_model(1)"
BUILDING = "import blur_container.model_build.quantization"


@pytest.mark.parametrize("code", [LOADING, BUILDING], ids=["loading", "building"])
def test_nothing_is_reported_to_the_makers_of_onnxruntime(tmp_path: Path, code: str) -> None:
    """Its wheels keep an id of the machine in the temporary folder, and send it with other facts."""
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)

    assert list(tmp_path.iterdir()) == []
