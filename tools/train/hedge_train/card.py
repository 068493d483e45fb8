"""The card of a trained model: what it is, what it was trained on and how, what it reaches, how to train it again."""

from dataclasses import dataclass

from .network import Shape
from .threshold import ALLOWED_LOSS
from .train import LOSS_EXIT, LOSS_FINAL

# Settings of a training that differ between models, in the order of the commands' options.
OPTIONS = ("depth", "edge_blocks", "payload_bits", "epochs", "batch", "lr", "weight_decay", "train_images", "validation", "seed",
           "precision")


@dataclass(frozen=True)
class Facts:
    """What a card states beyond its prose."""

    name: str
    shape: Shape
    payload_bytes: int
    phases: list[dict]
    """Of every phase of training, the first one first: settings, epoch (how many there were), seconds."""
    torch_version: str
    train_images: int
    data_sha256: dict[str, str]
    threshold: float
    held_rows: list[dict[str, float]]
    test_rows: list[dict[str, float]]
    test_images: int
    file_bytes: int
    note: str | None = None
    """A sentence of the recipe that no setting tells."""


def percent(share: float) -> str:
    return f"{100 * share:.2f}"


def table(rows: list[dict[str, float]]) -> str:
    lines = ["| entropy < (nats) | coverage % | exited, right % | offloaded, right % | system, right % |", "|---|---|---|---|---|"]
    for row in rows:
        shares = (row[k] for k in ("coverage", "accuracy_exited", "accuracy_offloaded", "accuracy_system"))
        lines.append(f"| {row['threshold']:.2f} | " + " | ".join(percent(s) for s in shares) + " |")
    return "\n".join(lines)


def options(settings: dict) -> str:
    given = {k: settings[k] for k in OPTIONS if settings.get(k) is not None}
    flags = [" --freeze-edge"] if settings.get("freeze_edge") else []
    return " ".join(f"--{k.replace('_', '-')} {v}" for k, v in given.items()) + "".join(flags)


def run_folder(name: str, phase: int, phases: int) -> str:
    return f"runs/{name}" if phase == phases - 1 else f"runs/{name}-phase{phase + 1}"


def commands(name: str, phases: list[dict]) -> str:
    """One training command a phase."""
    lines = []
    for i, phase in enumerate(phases):
        start = f" --start-from {run_folder(name, i - 1, len(phases))}/checkpoint.pt" if i else ""
        lines.append(f"python3 -m hedge_train.train --data data/cifar10 --out {run_folder(name, i, len(phases))}{start} "
                     f"{options(phase['settings'])}")
    return "\n".join(lines)


def schedule(phases: list[dict]) -> str:
    parts = [f"{p['epoch']} of {p['settings']['epochs']} epochs{' of exit and cloud alone' if p['settings'].get('freeze_edge') else ''} with peak {p['settings']['lr']} and seed {p['settings']['seed']} "
             f"({p['seconds'] / 60:.0f} minutes)" for p in phases]
    return ", then ".join(parts)


def render(facts: Facts) -> str:
    shape, settings = facts.shape, facts.phases[-1]["settings"]
    held, test = facts.held_rows[0], facts.test_rows[0]
    chosen = next(r for r in facts.test_rows if r["threshold"] == facts.threshold)
    at_chosen = (f"At the file's threshold of {facts.threshold:.2f} nats {percent(chosen['coverage'])} % of the test images are answered "
                 f"on the device and {percent(chosen['accuracy_system'])} % of all answers are right.")
    return f"""# {facts.name}

A hybrid ResNet-{shape.depth} for CIFAR-10: {shape.edge_blocks} binarized residual blocks ({2 * shape.edge_blocks} convolutions) and an
exit on the device, {3 * shape.per_group - shape.edge_blocks} full-precision blocks in the cloud. A sample that the exit is not sure of sends its
feature map at {shape.payload_bits} bit{'s' if shape.payload_bits > 1 else ''} a value: {facts.payload_bytes} bytes.

| answers by | right, % of {facts.test_images} test images |
|---|---|
| the exit alone | {percent(test['accuracy_exit'])} |
| the whole network | {percent(test['accuracy_final'])} |

By threshold, on the test set:

{table(facts.test_rows)}

{at_chosen}

## The threshold
{facts.threshold:.2f} nats, chosen on {settings['validation']} training images that training never saw (the exit alone: {percent(held['accuracy_exit'])} %, the whole
network: {percent(held['accuracy_final'])} %): the largest multiple of 0.05 up to 1.00 at which the system is within {100 * ALLOWED_LOSS:.1f} points of the whole
network, 0.50 if there is none.

{table(facts.held_rows)}

## Files
- `model.onnx` ({facts.file_bytes} bytes): the whole network in QONNX, every quantiser a node; metadata names the cut, the exit, its threshold,
  the classes and the preprocessing (pixel - 128, each step worth 1/64).
- `golden.json`, `golden.bin`: two test images with the output of every edge layer.
- `calibration.bin`: 64 training images; records of one label byte and 3,072 pixel bytes (planes red, green, blue).

## Data
CIFAR-10 (Krizhevsky 2009): {facts.train_images} training images, {settings['validation']} held out, {facts.test_images} for testing, as `hedge data cifar10`
writes them (sha256 of train.bin {facts.data_sha256['train.bin'][:16]}..., of test.bin {facts.data_sha256['test.bin'][:16]}...).
Augmented by random crops out of 4 pixels of padding and by horizontal flips.

## Recipe
Joint loss {LOSS_EXIT} x exit + {LOSS_FINAL} x final cross entropy; AdamW, one-cycle learning rate, weight decay
{settings['weight_decay']} on full-precision weights, batch {settings['batch']}: {schedule(facts.phases)}. Latent weights binarized by sign with
a straight-through gradient; streams, exit and payload fake-quantised to their grids from the first step, grids frozen at half time.
{f"{facts.note}{chr(10)}" if facts.note else ""}Trained in {settings['precision']} on {settings['device']} with PyTorch {facts.torch_version}. All figures are from float32 evaluation.

## Train it again
```sh
make train-deps data
export PYTHONPATH=tools/train
{commands(facts.name, facts.phases)}
python3 -m hedge_train.export --checkpoint runs/{facts.name}/checkpoint.pt --data data/cifar10 --out models/{facts.name}
```
The trainer repeats to the bit with one seed, one version and one kind of machine; elsewhere expect accuracies to differ by a few tenths
of a point.
"""
