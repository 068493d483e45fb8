"""Accuracy, coverage and the threshold curve of a hybrid network."""

import numpy as np
import torch
from torch import Tensor

from . import data
from .network import HybridResNet


def entropy(logits: Tensor) -> Tensor:
    """Entropy of softmax(logits) in nats."""
    log_p = torch.log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1)


@torch.no_grad()
def logits_of(net: HybridResNet, images: np.ndarray, batch: int = 500) -> tuple[Tensor, Tensor]:
    """Exit and final logits in float32, whatever training ran in."""
    net.eval()
    device = next(net.parameters()).device
    pairs = [net(torch.from_numpy(data.to_grid(images[i:i + batch])).to(device)) for i in range(0, len(images), batch)]
    return torch.cat([p[0] for p in pairs]).cpu(), torch.cat([p[1] for p in pairs]).cpu()


def summary(exit_logits: Tensor, final_logits: Tensor, labels: np.ndarray, threshold: float) -> dict[str, float]:
    """What the system does at one threshold; accuracies and coverage as shares of 1."""
    truth = torch.from_numpy(labels)
    exit_right = exit_logits.argmax(1) == truth
    final_right = final_logits.argmax(1) == truth
    stays = entropy(exit_logits) < threshold
    system = torch.where(stays, exit_right, final_right)
    mean = lambda x: round(float(x.float().mean()), 5) if len(x) else 0.0
    return {
        "threshold": threshold,
        "coverage": mean(stays),
        "accuracy_exit": mean(exit_right),
        "accuracy_final": mean(final_right),
        "accuracy_exited": mean(exit_right[stays]),
        "accuracy_offloaded": mean(final_right[~stays]),
        "accuracy_system": mean(system),
    }
