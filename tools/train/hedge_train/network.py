"""The hybrid CIFAR ResNet (He et al. 2015, section 4.2) of Conditionally Deep Hybrid Neural Networks (Long et al. 2020).

The first blocks are the edge part: binarized QuanConv layers (batch norm -> sign -> conv with alpha * sign(W)), a shortcut
around each. What the paper keeps in full precision there (first conv, shortcuts, exit) lives on an integer grid. The payload
at the cut is quantised in training too, so that the cloud part, in full precision, learns on what a device sends.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .data import CHANNELS, CLASSES, PIXEL_STEP, SIDE
from .quantizers import (
    GridRange,
    floor_clamp_,
    floor_to_grid_,
    on_grid,
    power_of_two_step,
    sign_plus_one,
    straight_through,
    weights_on_grid,
)

STREAM_LOW, STREAM_HIGH = -128, 127
POOLED_HIGH = 255
ALPHA_HIGH = 255
EXIT_POOL = 4
# The exit's batch norm scales by at least this much: a smaller gain would move its shift beyond all values.
EXIT_LEAST_GAIN = 0.05
# Steps of the payload quantiser behind its batch norm: near the best uniform quantiser of a normal variable
# (Max 1960, table II), rounded to multiples of 1/8.
PAYLOAD_STEP = {2: 1.0, 4: 0.375}


@dataclass(frozen=True)
class Shape:
    """depth 6n+2; `edge_blocks` of its 3n blocks run on the edge, the cut follows the last of them."""

    depth: int = 20
    edge_blocks: int = 6
    payload_bits: int = 2
    width: int = 16

    def __post_init__(self) -> None:
        if self.depth < 8 or (self.depth - 2) % 6:
            raise ValueError(f"depth {self.depth} is not 6n+2 (8, 14, 20, 26, 32, ...)")
        if not 1 <= self.edge_blocks < 3 * self.per_group:
            raise ValueError(f"edge_blocks {self.edge_blocks} is not within 1 to {3 * self.per_group - 1}")
        if self.payload_bits not in (1, 2, 4, 8):
            raise ValueError(f"payload_bits {self.payload_bits} is not 1, 2, 4 or 8")

    @property
    def per_group(self) -> int:
        return (self.depth - 2) // 6

    @property
    def name(self) -> str:
        edge = 2 * self.edge_blocks
        return f"resnet{self.depth}-{edge}e{6 * self.per_group - edge}c-{self.payload_bits}bit"

    def blocks(self) -> list[tuple[int, int, int]]:
        """(input channels, output channels, stride) of every block."""
        out, channels = [], self.width
        for group in range(3):
            for index in range(self.per_group):
                wider = self.width << group
                out.append((channels, wider, 2 if group and not index else 1))
                channels = wider
        return out

    def to_dict(self) -> dict:
        return asdict(self)


class FirstConv(nn.Module):
    """3x3 conv on the pixel grid with 8-bit weights; in units of the output stream's step."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, channels, 3, padding=1)

    def integer_parts(self) -> tuple[Tensor, Tensor, float]:
        """Weights and bias on the grid, and the step of the accumulator."""
        weight, step = weights_on_grid(self.conv.weight)
        accumulator = step * PIXEL_STEP
        bias = on_grid(self.conv.bias, (self.conv.bias / accumulator).round() * accumulator)
        return weight, bias, accumulator

    def forward(self, x: Tensor, stream: GridRange) -> Tensor:
        weight, bias, _ = self.integer_parts()
        scale = 1 / stream.step
        y = F.conv2d(x, weight * scale, bias * scale, padding=1)
        return quantize_stream(y, stream)


def quantize_stream(y: Tensor, stream: GridRange) -> Tensor:
    """y in units of the stream's step -> 8-bit integers."""
    if stream.due():
        stream.observe(y.detach().abs().max() * stream.step)
    return floor_to_grid_(y, STREAM_LOW, STREAM_HIGH)


class QuanConv(nn.Module):
    """batch norm -> sign -> 3x3 conv with alpha * sign(W), alpha = mean |W| per filter (Rastegari et al. 2016, eq. 6).

    The sign map is padded with -1, which costs an interpreter no border cases. alpha has 8 bits times a power of two.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.norm = nn.BatchNorm2d(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_normal_(self.weight)

    def binary_parts(self) -> tuple[Tensor, Tensor, float]:
        """sign(W) with the straight-through gradient, alpha on its grid [outputs, 1, 1, 1], and alpha's step."""
        centred = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        signs = straight_through(centred.clamp(-1, 1), torch.where(centred >= 0, 1.0, -1.0))
        alpha = centred.abs().mean((1, 2, 3), keepdim=True)
        step = power_of_two_step(alpha.detach().max(), ALPHA_HIGH)
        alpha = on_grid(alpha, (alpha / step).round().clamp(1, ALPHA_HIGH) * step)
        return signs, alpha, step

    def forward(self, h: Tensor, stream_step: float) -> Tensor:
        signs, alpha, _ = self.binary_parts()
        weight = signs * (alpha / stream_step)
        # conv(s, W) with s padded by -1 equals conv(s + 1, W) with zero padding, minus the sum of W.
        return F.conv2d(sign_plus_one(self.norm(h)), weight, -weight.sum((1, 2, 3)), self.stride, padding=1)


def downsample(h: Tensor, channels: int) -> Tensor:
    """Parameter-free shortcut across a stride of 2: 2x2 average, new channels zero."""
    h = F.avg_pool2d(h, 2)
    return F.pad(h, (0, 0, 0, 0, 0, channels - h.shape[1]))


class EdgeBlock(nn.Module):
    """Two QuanConv layers, each with its own shortcut; streams are 8-bit integers in units of their step."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride
        self.first = QuanConv(inputs, outputs, stride)
        self.second = QuanConv(outputs, outputs, 1)

    def forward(self, h: Tensor, stream_in: GridRange, stream: GridRange) -> Tensor:
        shortcut = downsample(h, self.outputs) if self.stride > 1 else h
        if stream_in.step != stream.step:
            shortcut = shortcut * (stream_in.step / stream.step)
        h = quantize_stream(self.first(h, stream.step) + shortcut, stream)
        return quantize_stream(self.second(h, stream.step) + h, stream)


class CloudBlock(nn.Module):
    """Basic residual block in full precision."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        shortcut = downsample(x, self.outputs) if self.stride > 1 else x
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + shortcut)


class Exit(nn.Module):
    """batch norm -> relu -> 4x4 average pool -> 8 bits -> fully connected with 8-bit weights.

    relu(a (h - shift)) is a relu(h - shift) for a > 0: the batch norm's scale moves behind the pooling into the weights, and what is
    left in front is a shift, a whole number of the stream's steps.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.pool = min(EXIT_POOL, side)
        self.cells = (side // self.pool) ** 2
        self.norm = nn.BatchNorm2d(channels)
        self.pooled = GridRange(POOLED_HIGH, 2.0**-6)
        self.fc = nn.Linear(channels * self.cells, len(CLASSES))

    def statistics(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation per channel: of the batch, which the running ones follow, or in evaluation the running ones."""
        if self.training:
            variance, mean = torch.var_mean(h, (0, 2, 3), unbiased=False)
            with torch.no_grad():
                self.norm.running_mean.lerp_(mean, self.norm.momentum)
                self.norm.running_var.lerp_(variance, self.norm.momentum)
                self.norm.num_batches_tracked.add_(1)
            return mean, (variance + self.norm.eps).sqrt()
        return self.running()

    def shift_on_grid(self, step: float, statistics: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The shift in units of the stream's step."""
        mean, deviation = statistics or self.running()
        scaled = (mean - self.norm.bias * deviation / self.norm.weight.clamp(min=EXIT_LEAST_GAIN)) / step
        return on_grid(scaled, scaled.round().clamp(STREAM_LOW, STREAM_HIGH))

    def integer_parts(self, statistics: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, float]:
        """Weights and bias on the grid, and the step of the logits."""
        _, deviation = statistics or self.running()
        gain = self.norm.weight.clamp(min=EXIT_LEAST_GAIN) / deviation
        weight, step = weights_on_grid(self.fc.weight * gain.repeat_interleave(self.cells))
        logit_step = step * self.pooled.step
        bias = on_grid(self.fc.bias, (self.fc.bias / logit_step).round() * logit_step)
        return weight, bias, logit_step

    def running(self) -> tuple[Tensor, Tensor]:
        return self.norm.running_mean, (self.norm.running_var + self.norm.eps).sqrt()

    def forward(self, h: Tensor, stream: GridRange) -> Tensor:
        h = h.float()
        statistics = self.statistics(h * stream.step)
        y = F.relu(h - self.shift_on_grid(stream.step, statistics).view(-1, 1, 1))
        y = F.avg_pool2d(y, self.pool) * stream.step
        if self.pooled.due():
            self.pooled.observe(y.detach().abs().max())
        step = self.pooled.step
        pooled = floor_to_grid_(y / step, 0, POOLED_HIGH) * step
        weight, bias, _ = self.integer_parts(statistics)
        return F.linear(pooled.flatten(1), weight, bias)


class Payload(nn.Module):
    """What an offloaded sample sends. 8 bits: the stream as it is. Fewer: batch norm, then a uniform quantiser with
    2**bits levels placed symmetrically about zero; one bit is sign()."""

    def __init__(self, channels: int, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.norm = nn.BatchNorm2d(channels) if bits < 8 else None

    def forward(self, h: Tensor, stream: GridRange) -> Tensor:
        if self.norm is None:
            return h * stream.step
        y = self.norm(h)
        if self.bits == 1:
            return sign_plus_one(y) - 1
        step, half = PAYLOAD_STEP[self.bits], 2 ** (self.bits - 1)
        return (floor_clamp_(y / step, -half, half - 1) + 0.5) * step


class HybridResNet(nn.Module):
    """Input [n, 3, 32, 32] on the pixel grid; returns the exit's and the final logits, both [n, 10]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        blocks = shape.blocks()
        edge, cloud = blocks[:shape.edge_blocks], blocks[shape.edge_blocks:]
        self.first = FirstConv(shape.width)
        self.edge = nn.ModuleList(EdgeBlock(*block) for block in edge)
        # One grid per resolution: shortcuts inside a group then add without rescaling.
        self.streams = nn.ModuleList(GridRange(STREAM_HIGH, 2.0**-5) for _ in range(1 + sum(b[2] > 1 for b in edge)))
        channels, side = edge[-1][1], SIDE >> (len(self.streams) - 1)
        self.exit = Exit(channels, side)
        self.payload = Payload(channels, shape.payload_bits)
        # An 8-bit payload is the raw stream: its batch norm belongs to the cloud.
        self.cloud_norm = nn.BatchNorm2d(channels) if shape.payload_bits == 8 else nn.Identity()
        self.cloud = nn.Sequential(*(CloudBlock(*block) for block in cloud))
        self.fc = nn.Linear(cloud[-1][1], len(CLASSES))

    def block_streams(self) -> list[tuple[GridRange, GridRange]]:
        """The grids of every edge block's input and output."""
        pairs, index = [], 0
        for block in self.edge:
            before = self.streams[index]
            index += block.stride > 1
            pairs.append((before, self.streams[index]))
        return pairs

    def payload_shape(self) -> tuple[int, int, int]:
        """Channels, height, width of the feature map at the cut."""
        side = SIDE >> (len(self.streams) - 1)
        return self.edge[-1].outputs, side, side

    def forward_edge(self, x: Tensor) -> Tensor:
        """The feature map at the end of the edge part, 8-bit integers in units of the last stream's step."""
        h = self.first(x, self.streams[0])
        for block, (before, after) in zip(self.edge, self.block_streams()):
            h = block(h, before, after)
        return h

    def edge_modules(self) -> list[nn.Module]:
        """What comes before the exit and the payload."""
        return [self.first, self.edge, self.streams]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_heads(self.forward_edge(x))

    def forward_heads(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The exit's and the final logits from the feature map of `forward_edge`."""
        payload = self.payload(h, self.streams[-1])
        deep = self.cloud(self.cloud_norm(payload))
        return self.exit(h, self.streams[-1]), self.fc(deep.mean((2, 3)))

    def restart_grid_clocks(self) -> None:
        """Which batches the grids look at is counted from here."""
        for module in self.modules():
            if isinstance(module, GridRange):
                module.calls = 0

    def freeze_grids(self) -> None:
        for module in self.modules():
            if isinstance(module, GridRange):
                module.freeze()
