"""Trains a hybrid network with the joint loss of Long et al. (2020, eq. 5): 0.6 x exit + 0.4 x final cross entropy.

    python3 -m hedge_train.train --data data/cifar10 --out runs/demo --epochs 60

Resumes from OUT/checkpoint.pt when it is there. AdamW under a one-cycle learning rate; seeds fixed.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import data
from .evaluate import logits_of, summary
from .network import CloudBlock, HybridResNet, Shape
from .quantizers import use_grid

LOSS_EXIT, LOSS_FINAL = 0.6, 0.4
THRESHOLD = 0.5


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hedge_train.train", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.bin and test.bin (hedge data cifar10)")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint.pt and log.jsonl")
    parser.add_argument("--depth", type=int, default=20, help="6n+2: 8, 14, 20, 26, 32, ...")
    parser.add_argument("--edge-blocks", type=int, default=6, help="residual blocks on the edge, two convs each")
    parser.add_argument("--payload-bits", type=int, default=2, choices=(1, 2, 4, 8))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=3e-3, help="peak of the one-cycle schedule")
    parser.add_argument("--weight-decay", type=float, default=0.05, help="on full-precision weights")
    parser.add_argument("--train-images", type=int, help="use only the first N training images")
    parser.add_argument("--validation", type=int, default=1000, help="last N training images, held out")
    parser.add_argument("--stop-after", type=int, help="stop after N epochs of the schedule; the same command without it goes on")
    parser.add_argument("--start-from", type=Path, help="checkpoint whose weights this training starts from: a further phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="1 is fastest per core; run several trainings side by side")
    parser.add_argument("--freeze-edge", action="store_true", help="train the exit, the payload's norm and the cloud part alone "
                        "(the separate optimisation of Long et al. 2020), on the features that a device computes")
    parser.add_argument("--no-grid", action="store_true", help="leave shortcuts, scales and 8-bit weights in floating point: "
                        "a network to compare with, which does not export")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="of training; evaluation is fp32")
    return parser.parse_args(argv)


def optimizer_of(net: HybridResNet, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Decays the full-precision matrices only: latent binary weights, norms, biases and shifts go free."""
    decayed = [p for m in net.modules() if isinstance(m, CloudBlock) for p in (m.conv1.weight, m.conv2.weight)]
    decayed += [net.fc.weight, net.exit.fc.weight]
    chosen = {id(p) for p in decayed}
    free = [p for p in net.parameters() if id(p) not in chosen and p.requires_grad]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}], lr)


def save(path: Path, state: dict) -> None:
    """Replaces the checkpoint in one step, so that a kill leaves the old one whole."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    torch.manual_seed(args.seed)
    use_grid(not args.no_grid)
    torch.set_num_threads(args.threads)
    images, labels = data.load(args.data / "train.bin")
    held_images, held_labels = images[len(images) - args.validation:], labels[len(labels) - args.validation:]
    keep = min(args.train_images or len(images), len(images) - args.validation)
    if keep < args.batch:
        raise SystemExit(f"{keep} training images are fewer than one batch of {args.batch}")
    images, labels = images[:keep], labels[:keep]

    shape = Shape(args.depth, args.edge_blocks, args.payload_bits)
    net = HybridResNet(shape).to(args.device, memory_format=torch.channels_last)
    earlier: list[dict] = []
    if args.start_from:
        start = torch.load(args.start_from, map_location=args.device, weights_only=False)
        if start["shape"] != shape.to_dict():
            raise SystemExit(f"{args.start_from}: holds another network ({start['shape']}). Give the same --depth, --edge-blocks and "
                             "--payload-bits.")
        net.load_state_dict(start["net"])
        earlier = [*start.get("earlier", []), {key: start[key] for key in ("settings", "epoch", "seconds")}]
    if args.freeze_edge:
        for module in net.edge_modules():
            module.requires_grad_(False)
    optimizer = optimizer_of(net, args.lr, args.weight_decay)
    steps = len(images) // args.batch
    half = args.precision == "bf16"
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [args.lr] * 2, total_steps=steps * args.epochs,
                                                   pct_start=0.15, div_factor=10, final_div_factor=100)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint, first_epoch, seconds = args.out / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=args.device, weights_only=False)
        if saved["shape"] != shape.to_dict() or saved["epochs"] != args.epochs:
            raise SystemExit(f"{checkpoint}: made with other settings ({saved['shape']}, {saved['epochs']} epochs). "
                             "Give another --out or remove it.")
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        first_epoch, seconds = saved["epoch"], saved["seconds"]
        print(f"resuming {checkpoint} after epoch {first_epoch}", flush=True)

    settings = {k: v if isinstance(v, (int, float, str, type(None))) else str(v)
                for k, v in vars(args).items() if k not in ("data", "out", "stop_after", "start_from")}
    for epoch in range(first_epoch, min(args.epochs, args.stop_after or args.epochs)):
        # Seeded and counted by epoch: a resumed run sees the same batches as an uninterrupted one.
        rng = np.random.default_rng([args.seed, epoch])
        if epoch * 2 >= args.epochs:
            net.freeze_grids()
        net.train()
        if args.freeze_edge:
            for module in net.edge_modules():
                module.eval()
        net.restart_grid_clocks()
        order, started, total, shown = rng.permutation(len(images)), time.time(), 0.0, time.time()
        for step in range(steps):
            chosen = order[step * args.batch:(step + 1) * args.batch]
            x = torch.from_numpy(data.to_grid(data.augment(images[chosen], rng)))
            x = x.to(args.device, memory_format=torch.channels_last)
            y = torch.from_numpy(labels[chosen]).to(args.device)
            with torch.no_grad() if args.freeze_edge else contextlib.nullcontext():
                # A frozen edge runs as it will on the device: in float32, exact on the grid.
                with torch.autocast(args.device, dtype=torch.bfloat16, enabled=half and not args.freeze_edge):
                    h = net.forward_edge(x)
            with torch.autocast(args.device, dtype=torch.bfloat16, enabled=half):
                exit_logits, final_logits = net.forward_heads(h)
            loss = LOSS_EXIT * F.cross_entropy(exit_logits.float(), y) + LOSS_FINAL * F.cross_entropy(final_logits.float(), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss)
            if time.time() - shown > 2 and sys.stderr.isatty():
                shown = time.time()
                print(f"\repoch {epoch + 1}/{args.epochs}  {100 * step // steps:3d} %  loss {total / (step + 1):.3f}  "
                      f"{(step + 1) * args.batch / (shown - started):.0f} img/s ", end="", file=sys.stderr)
        seconds += time.time() - started
        if not np.isfinite(total):
            raise SystemExit(f"the loss is {total} in epoch {epoch + 1}: lower --lr")
        row = {"epoch": epoch + 1, "loss": round(total / steps, 4), "seconds": round(seconds, 1),
               "images_per_second": round(steps * args.batch / (time.time() - started)),
               "stream_steps": [s.step for s in net.streams],
               **summary(*logits_of(net, held_images), held_labels, THRESHOLD)}
        with open(args.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print("\r" + json.dumps(row), flush=True)
        save(checkpoint, {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                          "shape": shape.to_dict(), "epoch": epoch + 1, "epochs": args.epochs, "seconds": seconds,
                          "torch": str(torch.__version__),
                          "earlier": earlier, "settings": settings})


if __name__ == "__main__":
    main()
