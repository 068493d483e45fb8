"""Fake quantisers: the forward pass rounds to the integer grid, the backward pass lets gradients through
(straight-through estimator, Bengio et al. 2013; for sign() with the slope max(0, 2 - 2|x|) of Bi-Real Net, Liu et al. 2018,
eq. 9).

Every step is a power of two, so that each value on the grid is exact in float32 (and, for 8-bit values, in
bfloat16): PyTorch, onnxruntime and the compiled integer module then agree to the bit.
"""

import math

import torch
from torch import Tensor, nn


class _SignPlusOne(torch.autograd.Function):
    """Written with operations that vectorise for bfloat16 on a CPU: comparisons there cost ten times a copysign."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.abs().mul_(-2).add_(2).relu_())
        return torch.copysign(torch.ones((), dtype=x.dtype, device=x.device), x).add_(1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        return gradient * slope


def sign_plus_one(x: Tensor) -> Tensor:
    """sign(x) + 1, in {0, 2}: zero padding of it is padding of sign(x) with -1."""
    return _SignPlusOne.apply(x)


class _FloorClamp(torch.autograd.Function):
    """Works in place on its input, which must be a fresh tensor that nothing else needs."""

    @staticmethod
    def forward(ctx, x: Tensor, low: int, high: int) -> Tensor:
        ctx.mark_dirty(x)
        return x.floor_().clamp_(low, high)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient, None, None


def floor_clamp_(x: Tensor, low: int, high: int) -> Tensor:
    """Rounds down to integers within [low, high]; gradients pass unchanged."""
    return _FloorClamp.apply(x, low, high)


class _StraightThrough(torch.autograd.Function):
    """Not `x + (rounded - x)`: in floating point that is off the grid by a unit in the last place."""

    @staticmethod
    def forward(ctx, x: Tensor, rounded: Tensor) -> Tensor:
        return rounded.view_as(rounded)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient, None


def straight_through(x: Tensor, rounded: Tensor) -> Tensor:
    """The value of `rounded`, to the bit, with the gradient of `x`."""
    return _StraightThrough.apply(x, rounded)


_grid_in_use = True


def use_grid(on: bool) -> None:
    """Turns the rounding of shortcuts, scales and full-precision weights off, for a network without the grid to compare with.
    Signs and the payload stay quantised."""
    global _grid_in_use
    _grid_in_use = on


def on_grid(x: Tensor, rounded: Tensor) -> Tensor:
    """`rounded` with the gradient of `x`, or `x` itself where the grid is off."""
    return straight_through(x, rounded) if _grid_in_use else x


def floor_to_grid_(x: Tensor, low: int, high: int) -> Tensor:
    """`floor_clamp_`, or `x` itself where the grid is off."""
    return floor_clamp_(x, low, high) if _grid_in_use else x


def power_of_two_step(largest: Tensor, levels: int) -> float:
    """The smallest power of two whose `levels` multiples reach `largest`."""
    return 2.0 ** math.ceil(math.log2(max(float(largest), 1e-8) / levels))


def weights_on_grid(weight: Tensor, bits: int = 8) -> tuple[Tensor, float]:
    """Symmetric signed quantisation of a weight tensor: (fake-quantised weight, step)."""
    levels = 2 ** (bits - 1) - 1
    step = power_of_two_step(weight.detach().abs().max(), levels)
    return on_grid(weight, (weight / step).round().clamp(-levels, levels) * step), step


class GridRange(nn.Module):
    """The power-of-two step of an activation grid, followed from a running maximum until `freeze()`.

    The running maximum may exceed the range by a factor up to sqrt(2): the rare largest values clip.
    """

    def __init__(self, levels: int, initial_step: float) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("running_max", torch.tensor(initial_step * levels))
        self.register_buffer("frozen", torch.tensor(False))
        self.calls = 0

    @property
    def step(self) -> float:
        return 2.0 ** round(math.log2(max(float(self.running_max), 1e-8) / self.levels))

    def observe(self, largest: Tensor) -> None:
        if not self.frozen:
            self.running_max.lerp_(largest.float(), 0.02)

    def due(self, every: int = 8) -> bool:
        """Whether to look at this batch: a maximum costs a pass over the tensor, so not each one is measured."""
        if not self.training or self.frozen:
            return False
        self.calls += 1
        return self.calls % every == 0

    def freeze(self) -> None:
        self.frozen.fill_(True)
