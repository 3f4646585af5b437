"""Face model: find its files, check their hashes, choose the precision for this processor, run it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chalicelib.contract.errors import ModelDamaged

PACKAGE = "face_model"
INDEX = "index.json"
# The graph's own names: a face's probability, size, offset of its centre, landmarks.
INPUT, OUTPUTS = "input.1", ("537", "538", "539", "540")
# Instructions that multiply 8-bit numbers and add to 32 bits: AVX-512 and AVX VNNI, Arm's dot product.
# Without them onnxruntime's kernels add in 16 bits, which overflow: they find less, and are hardly faster.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
_CPU_FILE = Path("/proc/cpuinfo")
_lock = threading.Lock()

Array = NDArray[np.float32]


class Precision(str, Enum):
    """The numbers that the model calculates with."""

    INT8 = "int8"
    FP32 = "fp32"


class FaceModel(Protocol):
    """The network of the face detector."""

    def run(self, pixels: Array) -> tuple[Array, ...]:
        """Return the network's OUTPUTS for float32 (1, 3, height, width), RGB from 0 to 255."""


@dataclass(frozen=True)
class ModelFiles:
    """The folder of the model, and the name and SHA-256 of the file of each precision in it."""

    folder: Path
    files: Mapping[Precision, tuple[str, str]]

    @classmethod
    def read(cls, folder: Path) -> ModelFiles:
        """Return the files that the index in `folder` lists; raise ModelDamaged where it cannot be read."""
        index = folder / INDEX
        try:
            listed = json.loads(index.read_text(encoding="utf-8"))["files"]
            files = {Precision(name): (str(one["name"]), str(one["sha256"])) for name, one in listed.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelDamaged(f"{index}, the index of the face model, cannot be read: {error!r}") from error
        if Precision.FP32 not in files:
            raise ModelDamaged(f"{index} lists no file for {Precision.FP32.value}: build the model again")
        return cls(folder, files)

    def content(self, precision: Precision) -> bytes:
        """Return the model in one precision; raise ModelDamaged if it is missing or not what was built."""
        name, sha256 = self.files[precision]
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise ModelDamaged(f"the face model {self.folder / name} cannot be read: {error}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ModelDamaged(
                f"the face model {self.folder / name} has SHA-256 {found}, not {sha256} as it was built: "
                "deploy the image again, or here, run make clean and make again"
            )
        return content

    def precision_for(self, flags: frozenset[str]) -> Precision:
        """Return INT8 if it was built and the processor with these flags has instructions for it."""
        return Precision.INT8 if Precision.INT8 in self.files and flags & _DOT_PRODUCTS else Precision.FP32


def model_folder() -> Path:
    """Return the folder of the face model on Python's path; raise ModelDamaged if there is none."""
    # A folder without __init__.py: the path is read again, as the model may have been built since.
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelDamaged(
            f"there is no face model: no folder of Python's path has {PACKAGE}/; it is built with the image, "
            "or here by any make command, such as make test"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def load_model(threads: int, folder: Path | None = None) -> FaceModel:
    """Return the model, loaded once per process; threads of one process may share it.

    Raise ModelDamaged if its files are not those that were built, or if onnxruntime cannot run them.
    """
    with _lock:
        return _loaded(threads, folder or model_folder())


@cache
def _loaded(threads: int, folder: Path) -> FaceModel:
    files = ModelFiles.read(folder)
    return OnnxModel(files.content(files.precision_for(processor_flags())), threads)


class OnnxModel:
    """A network that onnxruntime runs on `threads` threads."""

    def __init__(self, content: bytes, threads: int, *, is_literal: bool = False) -> None:
        """Load the network; `is_literal` runs 8-bit graphs as written, in floats, with the same rounding."""
        # Its wheels send facts about the process to Microsoft unless this is set before they are imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        try:
            # Not at import: functions that detect nothing would wait for it.
            import onnxruntime  # noqa: PLC0415
        except ImportError as error:
            raise ModelDamaged(
                f"onnxruntime, which runs the face model, cannot be loaded: {error}"
            ) from error
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Threads that wait for work sleep: the decoder needs the processor.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A plan of memory is kept for each size of pictures.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        if is_literal:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common class
            raise ModelDamaged(f"onnxruntime cannot load the face model: {error}") from error

    def run(self, pixels: Array) -> tuple[Array, ...]:
        """Return the network's OUTPUTS for float32 (1, 3, height, width)."""
        return tuple(self._session.run(OUTPUTS, {INPUT: pixels}))


def processor_flags(cpu_file: Path = _CPU_FILE) -> frozenset[str]:
    """Return the processor's flags as Linux names them; elsewhere, those that all processors have."""
    try:
        text = cpu_file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        # Every Mac with Apple's processor has the dot product.
        return frozenset({"asimddp"} if platform.machine() == "arm64" else ())
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(
        flag
        for name, _, value in lines
        if name.strip().lower() in {"flags", "features"}
        for flag in value.split()
    )
