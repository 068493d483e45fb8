"""Keeps the decisions of a network away from the rounding of floats.

Behind every batch norm in front of a quantiser stands an integer feature map h, so each decision `norm(h) >= level` is
a comparison of h with one real number per channel, the crossing. A crossing that falls on an integer leaves the
decision to the last bit of whoever computes the batch norm; `separate` moves it a few thousandths of a step aside.
"""

import torch
from torch import Tensor, nn

from .network import PAYLOAD_STEP, STREAM_HIGH, STREAM_LOW, HybridResNet, QuanConv

# Distance of a crossing from every integer, in steps of the stream. Float32 errs by less than 1e-4 of them.
MARGIN = 1e-3
SMALLEST_GAMMA = 1e-6
# Candidates for the shift of a crossing: 0, then ever further to both sides.
SHIFTS = [0.0] + [sign * k * 0.5e-3 for k in range(1, 400) for sign in (1, -1)]


def decision_levels(bits: int) -> list[float]:
    """The values behind the payload's batch norm at which its level changes."""
    half = 2 ** (bits - 1)
    return [0.0] if bits == 1 else [k * PAYLOAD_STEP[bits] for k in range(1 - half, half)]


def crossings(norm: nn.BatchNorm2d, levels: list[float]) -> Tensor:
    """The h at which norm(h) reaches each level: float64 [channels, levels]."""
    gamma, beta = norm.weight.double(), norm.bias.double()
    deviation = (norm.running_var.double() + norm.eps).sqrt()
    wanted = torch.tensor(levels, dtype=torch.float64) - beta[:, None]
    return norm.running_mean.double()[:, None] + wanted * (deviation / gamma)[:, None]


def closest(crossing: Tensor) -> Tensor:
    """Distance from each crossing to the nearest integer that the stream can take."""
    return (crossing - crossing.round().clamp(STREAM_LOW, STREAM_HIGH)).abs()


@torch.no_grad()
def separate_norm(norm: nn.BatchNorm2d, levels: list[float]) -> int:
    """Moves gamma and beta of one batch norm; returns the number of channels touched."""
    weak = norm.weight.abs() < SMALLEST_GAMMA
    norm.weight[weak] = torch.where(norm.weight[weak] < 0, -SMALLEST_GAMMA, SMALLEST_GAMMA)
    touched = weak.clone()
    slope = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    original = norm.bias.clone()
    near = closest(crossings(norm, levels)).amin(1) < MARGIN
    touched |= near
    for shift in SHIFTS[1:]:
        if not near.any():
            return int(touched.sum())
        # h - shift instead of h: the crossing moves up by `shift`.
        norm.bias[near] = (original.double() - shift * slope).float()[near]
        near = closest(crossings(norm, levels)).amin(1) < MARGIN
    raise ValueError(f"channel {int(near.nonzero()[0])} of a batch norm has no crossing {MARGIN} away from the integers; "
                     "its gamma or running variance is degenerate")


def separate(net: HybridResNet) -> int:
    """Separates every decision of the edge part from the integers; returns the number of channels touched.

    Works in place, before evaluation and export, so that both see the same network.
    """
    touched = sum(separate_norm(m.norm, [0.0]) for m in net.edge.modules() if isinstance(m, QuanConv))
    if net.payload.norm is not None:
        touched += separate_norm(net.payload.norm, decision_levels(net.shape.payload_bits))
    return touched
