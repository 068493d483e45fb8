"""Evaluates an exported graph node by node in float64: what the file says, independent of network.py and of any runtime."""

from collections.abc import Callable

import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import Tensor

ROUNDING = {"ROUND": torch.round, "FLOOR": torch.floor, "CEIL": torch.ceil}


def quant(x: Tensor, scale: Tensor, zero_point: Tensor, bits: Tensor, *, signed: int, narrow: int, rounding_mode: str) -> Tensor:
    levels = 2 ** int(bits)
    low, high = (-levels // 2, levels // 2 - 1) if signed else (0, levels - 1)
    if narrow:
        low, high = (low + 1, high) if signed else (low, high - 1)
    q = ROUNDING[rounding_mode](x / scale + zero_point).clamp(low, high)
    return (q - zero_point) * scale


def bipolar(x: Tensor, scale: Tensor) -> Tensor:
    return torch.where(x >= 0, scale, -scale)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, kernel_shape: list, strides: list, pads: list) -> Tensor:
    assert pads[:2] == pads[2:] and kernel_shape == list(weight.shape[2:])
    return F.conv2d(x, weight, bias, strides, pads[:2])


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float) -> Tensor:
    slope = gamma / (variance + epsilon).sqrt()
    return (x - mean.view(-1, 1, 1)) * slope.view(-1, 1, 1) + beta.view(-1, 1, 1)


def pad(x: Tensor, pads: Tensor, value: Tensor, *, mode: str) -> Tensor:
    assert mode == "constant"
    begins, ends = pads.tolist()[: x.ndim], pads.tolist()[x.ndim :]
    # PyTorch counts from the last dimension.
    return F.pad(x, [n for pair in zip(begins[::-1], ends[::-1]) for n in pair], value=float(value))


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Quant": quant,
    "BipolarQuant": bipolar,
    "Conv": convolve,
    "BatchNormalization": batch_norm,
    "Pad": pad,
    "Mul": torch.mul,
    "Add": torch.add,
    "Sub": torch.sub,
    "Relu": F.relu,
    "Identity": lambda x: x,
    "AveragePool": lambda x, *, kernel_shape, strides: F.avg_pool2d(x, kernel_shape, strides),
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "Flatten": lambda x, *, axis: x.flatten(axis),
    "Gemm": lambda x, weight, bias, *, transB: F.linear(x, weight if transB else weight.T, bias),
}


def attributes_of(node: onnx.NodeProto) -> dict:
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in values.items()}


def constants_of(model: onnx.ModelProto) -> dict[str, Tensor]:
    """The initialisers by name, in float64 (integers stay integers)."""
    arrays = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
    return {name: a.double() if a.is_floating_point() else a for name, a in arrays.items()}


@torch.no_grad()
def evaluate(model: onnx.ModelProto, image: Tensor) -> dict[str, Tensor]:
    """image [n, 3, 32, 32] on the pixel grid -> every tensor of the graph by name, in float64, constants left out."""
    constants = constants_of(model)
    values = {**constants, "image": image.double()}
    for node in model.graph.node:
        values[node.output[0]] = OPERATORS[node.op_type](*(values[name] for name in node.input), **attributes_of(node))
    return {name: value for name, value in values.items() if name not in constants}
