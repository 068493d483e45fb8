"""Writes a trained hybrid network as one QONNX graph: edge part with Quant and BipolarQuant nodes, cut, exit, cloud part.

Tensors of the edge part hold values (integer times step); in the PyTorch network the streams are the integers.
"""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .data import CHANNELS, CLASSES, PIXEL_STEP, PIXEL_ZERO, SIDE
from .network import ALPHA_HIGH, PAYLOAD_STEP, POOLED_HIGH, CloudBlock, HybridResNet, QuanConv

QONNX_DOMAIN = "qonnx.custom_op.general"
OPSET, QONNX_OPSET, IR_VERSION = 13, 1, 8
# Integers up to here are exact in float32.
EXACT = 2**24


class GraphWriter:
    """Collects nodes and initialisers; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def constant(self, name: str, value) -> str:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{output}/{op}", domain=domain, **attributes))
        return output

    def quant(self, x: str, output: str, scale: float, bits: int, *, signed: int = 1, narrow: int = 0, rounding: str = "ROUND") -> str:
        inputs = [x, self.constant(f"{output}.scale", scale), self.constant(f"{output}.zero_point", 0.0),
                  self.constant(f"{output}.bit_width", float(bits))]
        return self.node("Quant", inputs, output, QONNX_DOMAIN, signed=signed, narrow=narrow, rounding_mode=rounding)

    def bipolar(self, x: str, output: str) -> str:
        return self.node("BipolarQuant", [x, self.constant(f"{output}.scale", 1.0)], output, QONNX_DOMAIN)

    def norm(self, x: str, output: str, norm: nn.BatchNorm2d, step: float = 1.0) -> str:
        """`step`: what one unit of the norm's PyTorch input is worth in the graph (a power of two: exact)."""
        inputs = [x, self.constant(f"{output}.gamma", norm.weight), self.constant(f"{output}.beta", norm.bias),
                  self.constant(f"{output}.mean", norm.running_mean * step),
                  self.constant(f"{output}.variance", norm.running_var * step**2)]
        return self.node("BatchNormalization", inputs, output, epsilon=norm.eps * step**2)

    def pad(self, x: str, output: str, begin: list[int], end: list[int], value: float) -> str:
        pads = self.constant(f"{output}.pads", np.array(begin + end, np.int64))
        return self.node("Pad", [x, pads, self.constant(f"{output}.value", value)], output, mode="constant")

    def shortcut(self, h: str, prefix: str, more_channels: int) -> str:
        """Parameter-free shortcut across a stride of 2."""
        pooled = self.node("AveragePool", [h], f"{prefix}.pooled", kernel_shape=[2, 2], strides=[2, 2])
        return self.pad(pooled, f"{prefix}.shortcut", [0] * 4, [0, more_channels, 0, 0], 0.0)


def assert_exact(name: str, weight: Tensor, bias: Tensor, unit: float, weight_unit: float, largest_input: int) -> None:
    """Refuses accumulators that float32 could not hold exactly."""
    reach = weight.flatten(1).abs().sum(1) / weight_unit * largest_input + bias.abs() / unit
    if float(reach.max()) >= EXACT:
        raise ValueError(f"{name}: an accumulator may reach {float(reach.max()):.0f}, beyond 2^24, where float32 is not exact. "
                         "Train with a larger weight decay or fewer inputs to this layer.")


def write_first(graph: GraphWriter, net: HybridResNet) -> str:
    weight, bias, accumulator = net.first.integer_parts()
    step = accumulator / PIXEL_STEP
    assert_exact("first", weight, bias, accumulator, step, PIXEL_ZERO)
    image = graph.quant("image", "image_q", PIXEL_STEP, 8)
    weight_q = graph.quant(graph.constant("first.weight", weight), "first.weight_q", step, 8, narrow=1)
    conv = graph.node("Conv", [image, weight_q, graph.constant("first.bias", bias)], "first.conv",
                      kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    return graph.quant(conv, "stream.0", net.streams[0].step, 8, rounding="FLOOR")


def write_conv(graph: GraphWriter, layer: QuanConv, prefix: str, h: str, step: float) -> str:
    """batch norm -> sign -> binary conv -> alpha, of a stream with the given step."""
    signs, alpha, alpha_step = layer.binary_parts()
    assert float(alpha.max()) <= ALPHA_HIGH * alpha_step
    sign = graph.bipolar(graph.norm(h, f"{prefix}.norm", layer.norm, step), f"{prefix}.sign")
    padded = graph.pad(sign, f"{prefix}.pad", [0, 0, 1, 1], [0, 0, 1, 1], -1.0)
    weight = graph.bipolar(graph.constant(f"{prefix}.weight", signs), f"{prefix}.weight_b")
    conv = graph.node("Conv", [padded, weight], f"{prefix}.conv", kernel_shape=[3, 3], pads=[0] * 4, strides=[layer.stride] * 2)
    alpha_q = graph.quant(graph.constant(f"{prefix}.alpha", alpha.view(1, -1, 1, 1)), f"{prefix}.alpha_q", alpha_step, 8, signed=0)
    return graph.node("Mul", [conv, alpha_q], f"{prefix}.scaled")


def write_edge(graph: GraphWriter, net: HybridResNet) -> str:
    h, index = write_first(graph, net), 0
    for i, (block, (before, after)) in enumerate(zip(net.edge, net.block_streams())):
        for j, layer in enumerate((block.first, block.second), 1):
            prefix = f"edge.{i}.{j}"
            scaled = write_conv(graph, layer, prefix, h, before.step if j == 1 else after.step)
            inputs = layer.weight.shape[1]
            shortcut = graph.shortcut(h, prefix, block.outputs - inputs) if layer.stride > 1 else h
            total = graph.node("Add", [scaled, shortcut], f"{prefix}.sum")
            index += 1
            h = graph.quant(total, f"stream.{index}", after.step, 8, rounding="FLOOR")
    return h


def write_exit(graph: GraphWriter, net: HybridResNet, h: str) -> str:
    exit_, step = net.exit, net.streams[-1].step
    weight, bias, logit_step = exit_.integer_parts()
    weight_step = logit_step / exit_.pooled.step
    assert_exact("exit", weight, bias, logit_step, weight_step, POOLED_HIGH)
    shift = graph.constant("exit.shift", (exit_.shift_on_grid(step) * step).view(1, -1, 1, 1))
    relu = graph.node("Relu", [graph.node("Sub", [h, shift], "exit.shifted")], "exit.relu")
    pool = graph.node("AveragePool", [relu], "exit.pool", kernel_shape=[exit_.pool] * 2, strides=[exit_.pool] * 2)
    pool = graph.quant(pool, "exit.pool_q", exit_.pooled.step, 8, signed=0, rounding="FLOOR")
    flat = graph.node("Flatten", [pool], "exit.flat", axis=1)
    weight_q = graph.quant(graph.constant("exit.weight", weight), "exit.weight_q", weight_step, 8, narrow=1)
    return graph.node("Gemm", [flat, weight_q, graph.constant("exit.bias", bias)], "exit_logits", transB=1)


def write_payload(graph: GraphWriter, net: HybridResNet, h: str) -> str:
    bits = net.shape.payload_bits
    if bits == 8:
        return graph.node("Identity", [h], "payload")
    norm = graph.norm(h, "payload.norm", net.payload.norm, net.streams[-1].step)
    if bits == 1:
        return graph.bipolar(norm, "payload")
    return graph.quant(norm, "payload", PAYLOAD_STEP[bits], bits, rounding="FLOOR")


def write_cloud(graph: GraphWriter, net: HybridResNet, payload: str) -> str:
    bits, x = net.shape.payload_bits, payload
    if bits in PAYLOAD_STEP:
        x = graph.node("Add", [x, graph.constant("cloud.half_step", 0.5 * PAYLOAD_STEP[bits])], "cloud.in")
    elif bits == 8:
        x = graph.norm(x, "cloud.in", net.cloud_norm)
    for i, block in enumerate(net.cloud):
        x = write_cloud_block(graph, block, f"cloud.{i}", x)
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x], "cloud.pool")], "cloud.flat", axis=1)
    return graph.node("Gemm", [x, graph.constant("cloud.fc.weight", net.fc.weight), graph.constant("cloud.fc.bias", net.fc.bias)],
                      "logits", transB=1)


def write_cloud_block(graph: GraphWriter, block: CloudBlock, prefix: str, x: str) -> str:
    y = x
    for j, (conv, norm) in enumerate(((block.conv1, block.norm1), (block.conv2, block.norm2)), 1):
        weight = graph.constant(f"{prefix}.{j}.weight", conv.weight)
        y = graph.node("Conv", [y, weight], f"{prefix}.{j}.conv", kernel_shape=[3, 3], pads=[1] * 4, strides=list(conv.stride))
        y = graph.norm(y, f"{prefix}.{j}.norm", norm)
        if j == 1:
            y = graph.node("Relu", [y], f"{prefix}.{j}.relu")
    shortcut = graph.shortcut(x, prefix, block.outputs - block.conv1.in_channels) if block.stride > 1 else x
    return graph.node("Relu", [graph.node("Add", [y, shortcut], f"{prefix}.sum")], f"{prefix}.out")


def to_onnx(net: HybridResNet, threshold: float, name: str | None = None) -> onnx.ModelProto:
    """The whole network in evaluation mode. `threshold`: of the exit's entropy rule, in nats.

    Call `margins.separate(net)` first, or float rounding may decide a sign.
    """
    net.eval()
    graph = GraphWriter()
    h = write_edge(graph, net)
    write_exit(graph, net, h)
    write_cloud(graph, net, write_payload(graph, net, h))

    value = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
    model = helper.make_model(
        helper.make_graph(graph.nodes, name or net.shape.name, [value("image", CHANNELS, SIDE, SIDE)],
                          [value("exit_logits", len(CLASSES)), value("logits", len(CLASSES))], graph.initialisers,
                          value_info=[value("payload", *net.payload_shape())]),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX_DOMAIN, QONNX_OPSET)],
        ir_version=IR_VERSION, producer_name="hedge_train")
    helper.set_model_props(model, {
        "hedge.version": "1",
        "hedge.name": name or net.shape.name,
        "hedge.cut": "payload",
        "hedge.output": "logits",
        "hedge.exits": json.dumps([{"name": "exit", "logits": "exit_logits", "rule": "entropy", "threshold": threshold}]),
        "hedge.classes": json.dumps(list(CLASSES)),
        "hedge.input": json.dumps({"name": "image", "pixelZero": PIXEL_ZERO, "pixelStep": PIXEL_STEP}),
    })
    onnx.checker.check_model(model)
    return model
