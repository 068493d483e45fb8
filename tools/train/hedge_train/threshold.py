"""Chooses the exit's entropy threshold on images held out of training."""

import numpy as np
from torch import Tensor

from .evaluate import summary

CANDIDATES = [round(0.05 * k, 2) for k in range(1, 21)]
# Share of the final accuracy that answering on the device may cost.
ALLOWED_LOSS = 0.005
FALLBACK = 0.5


def curve(exit_logits: Tensor, final_logits: Tensor, labels: np.ndarray, thresholds: list[float]) -> list[dict[str, float]]:
    """One `summary` a threshold (nats)."""
    return [summary(exit_logits, final_logits, labels, t) for t in thresholds]


def choose(rows: list[dict[str, float]]) -> float:
    """The largest threshold whose system accuracy stays within ALLOWED_LOSS of the final one's; FALLBACK if none does."""
    good = [r["threshold"] for r in rows if r["accuracy_system"] >= r["accuracy_final"] - ALLOWED_LOSS - 1e-9]
    return max(good, default=FALLBACK)
