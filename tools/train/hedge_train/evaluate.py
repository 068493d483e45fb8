"""Accuracy, coverage and the threshold curve of a hybrid network.

    python3 -m hedge_train.evaluate --checkpoint runs/demo/checkpoint.pt --data data/cifar10

prints one line of JSON a threshold, on the test images; also of networks trained with --no-grid.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import data
from .network import HybridResNet, Shape
from .quantizers import use_grid


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


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="hedge_train.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.pt of hedge_train.train")
    parser.add_argument("--data", type=Path, required=True, help="folder with test.bin (hedge data cifar10)")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.3, 0.5, 0.7], help="of the exit, in nats")
    args = parser.parse_args(argv)
    if not args.checkpoint.is_file():
        raise SystemExit(f"{args.checkpoint}: no such file. Train first: python3 -m hedge_train.train --help")
    torch.set_num_threads(1)
    saved = torch.load(args.checkpoint, map_location="cpu", weights_only=False)
    use_grid(not saved["settings"].get("no_grid"))
    net = HybridResNet(Shape(**saved["shape"]))
    net.load_state_dict(saved["net"])
    images, labels = data.load(args.data / "test.bin")
    logits = logits_of(net, images)
    for threshold in args.thresholds:
        print(json.dumps({"epoch": saved["epoch"], **summary(*logits, labels, threshold)}))


if __name__ == "__main__":
    main()
