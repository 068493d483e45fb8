"""Golden vectors: a few inputs with the output of every edge layer, as golden.json (index) and golden.bin (little endian).

Computed in float64 from the exported file, so they bind the file's readers, not the network that wrote it.
A tensor's value is integer x scale, or the number itself for float32; `offset` is its first byte in golden.bin, `count`
its number of elements; shapes are [inputs, C, H, W] or [inputs, features]. `payload.packed` holds the bytes that a
device sends (as int8; layout in docs/architecture.md).
"""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from . import data
from .graph_eval import attributes_of, constants_of, evaluate

TYPES = {"int8": "<i1", "int16": "<i2", "int32": "<i4", "float32": "<f4"}


def smallest_integer_type(q: np.ndarray) -> str:
    for name in ("int8", "int16", "int32"):
        limits = np.iinfo(TYPES[name])
        if limits.min <= q.min() and q.max() <= limits.max:
            return name
    raise ValueError(f"integers from {q.min()} to {q.max()} need more than 32 bits")


def pack(levels: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned levels [n, C, H, W] -> bytes [n, count]: NHWC, first level in the lowest bits, each pixel from a byte boundary."""
    n = len(levels)
    planes = levels.transpose(0, 2, 3, 1).astype(np.uint8)[..., None] >> np.arange(bits, dtype=np.uint8) & 1
    return np.packbits(planes.reshape(n, *planes.shape[1:3], -1), axis=-1, bitorder="little").reshape(n, -1)


def grids(model: onnx.ModelProto) -> dict[str, float]:
    """Step of every edge tensor that lies on an integer grid."""
    constants, steps = constants_of(model), {}
    for node in model.graph.node:
        out = node.output[0]
        scale = lambda index: float(constants[node.input[index]])
        if node.op_type in ("Quant", "BipolarQuant"):
            steps[out] = scale(1)
        elif node.op_type in ("Conv", "Gemm") and all(name in steps for name in node.input[:2]):
            steps[out] = steps[node.input[0]] * steps[node.input[1]]
        elif node.op_type in ("Pad", "Flatten", "Identity") and node.input[0] in steps:
            steps[out] = steps[node.input[0]]
    return steps


def payload_levels(model: onnx.ModelProto, payload: Tensor) -> tuple[np.ndarray, int]:
    """The unsigned levels that a device sends, and their bits; 8-bit levels as the bytes of signed ones."""
    constants = constants_of(model)
    producer = next(n for n in model.graph.node if n.output[0] == "payload")
    if producer.op_type == "BipolarQuant":
        return (payload > 0).numpy(), 1
    if producer.op_type == "Identity":
        producer = next(n for n in model.graph.node if n.output[0] == producer.input[0])
    bits = int(constants[producer.input[3]])
    q = (payload / constants[producer.input[1]]).numpy()
    # Fewer than 8 bits travel unsigned, from the lowest level up.
    if bits < 8 and attributes_of(producer)["signed"]:
        q = q + 2 ** (bits - 1)
    return q.astype(np.int64) & 255, bits


def wanted(model: onnx.ModelProto, values: dict[str, Tensor]) -> list[str]:
    """The input, each layer's output of the edge part, its exit and the payload, in the order of computation."""
    weights = set(constants_of(model))
    keep = {"stream", "exit", "exit_logits", "payload", "first"}
    suffixes = {"conv", "pooled"}
    names = []
    for node in model.graph.node:
        out = node.output[0]
        is_weight = node.input[0] in weights
        is_layer = out.startswith("edge.") and out.rsplit(".", 1)[1] in suffixes
        is_grid = out.split(".")[0] in keep and node.op_type in ("Quant", "BipolarQuant", "Conv", "Gemm", "Identity")
        if not is_weight and (is_layer or is_grid):
            names.append(out)
    return ["image", *names, "logits"]


def write(model: onnx.ModelProto, images: np.ndarray, folder: Path) -> None:
    """images: uint8 [n, 3, 32, 32]."""
    values = evaluate(model, torch.from_numpy(data.to_grid(images)))
    steps = {"image": data.PIXEL_STEP, **grids(model)}
    # A 2x2 average of integers lies on quarters of their grid.
    for node in model.graph.node:
        if node.op_type == "AveragePool" and node.input[0] in steps:
            steps[node.output[0]] = steps[node.input[0]] / 4
    tensors, blob = [], bytearray()

    def add(name: str, array: np.ndarray, scale: float) -> None:
        kind = "float32" if scale == 0 else smallest_integer_type(array)
        raw = np.ascontiguousarray(array.astype(TYPES[kind])).tobytes()
        tensors.append({"name": name, "shape": list(array.shape), "dtype": kind, "scale": scale or 1.0,
                        "offset": len(blob), "count": int(array.size)})
        blob.extend(raw)
        # Typed arrays want aligned starts.
        blob.extend(bytes(-len(blob) % 4))

    for name in wanted(model, values):
        if name not in steps:
            add(name, values[name].numpy(), 0)
            continue
        q = (values[name] / steps[name]).numpy()
        if not np.array_equal(q, np.rint(q)):
            raise ValueError(f"{name} is off its grid of step {steps[name]}")
        add(name, q.astype(np.int64), steps[name])
    levels, bits = payload_levels(model, values["payload"])
    add("payload.packed", pack(levels, bits).view(np.int8), 1.0)

    folder.joinpath("golden.bin").write_bytes(blob)
    index = {"inputs": len(images), "tensors": tensors}
    folder.joinpath("golden.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
