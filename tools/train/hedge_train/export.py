"""Writes everything that ships of a trained network: model.onnx, golden vectors, calibration images and the card.

    python3 -m hedge_train.export --checkpoint runs/demo/checkpoint.pt --data data/cifar10 --out models/demo
"""

import argparse
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

from . import card, data, golden, margins, threshold
from .evaluate import entropy, logits_of
from .export_onnx import to_onnx
from .graph_eval import evaluate
from .network import HybridResNet, Shape

CALIBRATION_IMAGES = 64
CARD_THRESHOLDS = [round(0.1 * k, 1) for k in range(3, 11)]
# Float32 against float64 in the cloud part.
LOGIT_TOLERANCE = 1e-3


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hedge_train.export", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.pt of hedge_train.train")
    parser.add_argument("--data", type=Path, required=True, help="folder with train.bin and test.bin (hedge data cifar10)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; its name becomes the model's")
    parser.add_argument("--threshold", type=float, help="of the exit, in nats; else chosen on the held-out images")
    parser.add_argument("--note", help="a sentence to add to the card's recipe")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(argv)


def load_checkpoint(path: Path) -> tuple[HybridResNet, dict]:
    """The network in evaluation mode on the CPU, decisions separated, and what else the checkpoint holds."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file. Train first: python3 -m hedge_train.train --help")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=False)
        net = HybridResNet(Shape(**saved["shape"]))
        net.load_state_dict(saved["net"])
    except Exception as cause:
        raise SystemExit(f"{path}: not a checkpoint of this trainer ({cause})") from cause
    net.eval()
    net.freeze_grids()
    margins.separate(net)
    return net, saved


@torch.no_grad()
def assert_same(net: HybridResNet, model: onnx.ModelProto, images: np.ndarray) -> None:
    """The file must say what the network does: the edge part to the bit, the cloud part within LOGIT_TOLERANCE."""
    x = torch.from_numpy(data.to_grid(images))
    exit_logits, final_logits = net(x)
    h = net.forward_edge(x)
    values = evaluate(model, x)
    last = max((n for n in values if n.startswith("stream.")), key=lambda n: int(n.split(".")[1]))
    same_stream = torch.equal(values[last].float(), h * net.streams[-1].step)
    if not same_stream or not torch.equal(values["exit_logits"].float(), exit_logits):
        raise SystemExit("the exported edge part differs from the network's: please report this defect")
    off = float((values["logits"] - final_logits).abs().max())
    if off > LOGIT_TOLERANCE:
        raise SystemExit(f"the exported logits differ from the network's by {off}: please report this defect")


def golden_images(images: np.ndarray, exit_logits: torch.Tensor, limit: float) -> np.ndarray:
    """Of the first images, one that exits and one that is offloaded; the first two where all go one way."""
    exits = (entropy(exit_logits) < limit).numpy()
    picked = [int(np.flatnonzero(exits == way)[0]) for way in (True, False) if (exits == way).any()]
    return images[(picked + [1])[:2]]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    torch.set_num_threads(args.threads)
    net, saved = load_checkpoint(args.checkpoint)
    settings = saved["settings"]
    if settings.get("no_grid"):
        raise SystemExit(f"{args.checkpoint}: was trained with --no-grid, off the integer grid, and cannot be exported. Train it without.")
    images, labels = data.load(args.data / "train.bin")
    test_images, test_labels = data.load(args.data / "test.bin")
    held = slice(len(images) - settings["validation"], len(images))
    trained = min(settings["train_images"] or held.start, held.start)

    held_rows = threshold.curve(*logits_of(net, images[held]), labels[held], threshold.CANDIDATES)
    chosen = args.threshold if args.threshold is not None else threshold.choose(held_rows)
    model = to_onnx(net, chosen, args.out.name)
    assert_same(net, model, images[:CALIBRATION_IMAGES])
    test_logits = logits_of(net, test_images)
    test_rows = threshold.curve(*test_logits, test_labels, sorted({*CARD_THRESHOLDS, chosen}))

    args.out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{args.out.name}-", dir=args.out.parent))
    try:
        onnx.save(model, str(folder / "model.onnx"))
        golden.write(model, golden_images(test_images, test_logits[0], chosen), folder)
        data.save(folder / "calibration.bin", images[:CALIBRATION_IMAGES], labels[:CALIBRATION_IMAGES])
        packed = np.prod(net.payload_shape()) * net.shape.payload_bits // 8
        facts = card.Facts(args.out.name, net.shape, int(packed), [*saved.get("earlier", []), saved],
                           saved.get("torch", torch.__version__), trained,
                           {name: sha256(args.data / name) for name in ("train.bin", "test.bin")}, chosen, held_rows, test_rows,
                           len(test_images), (folder / "model.onnx").stat().st_size, args.note)
        (folder / "card.md").write_text(card.render(facts), encoding="utf-8")
        args.out.mkdir(exist_ok=True)
        for file in folder.iterdir():
            os.replace(file, args.out / file.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(card.table(test_rows))
    print(f"wrote {args.out}: threshold {chosen:.2f} nats, exit {card.percent(test_rows[0]['accuracy_exit'])} %, "
          f"whole network {card.percent(test_rows[0]['accuracy_final'])} %")


if __name__ == "__main__":
    main()
