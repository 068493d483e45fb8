"""CIFAR-10 as `hedge data cifar10` writes it, and the augmentation of He et al. (2015, section 4.2).

A file is a row of records, each one label byte and 3,072 pixel bytes (three 32x32 planes: red, green,
blue), the format of the dataset's own "binary version".
"""

from pathlib import Path

import numpy as np

SIDE = 32
CHANNELS = 3
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD_BYTES = 1 + CHANNELS * SIDE * SIDE
# A pixel p enters the network as (p - 128) / 64: an 8-bit integer times a power of two.
PIXEL_ZERO = 128
PIXEL_STEP = 2.0**-6


def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads a record file: images as uint8 [n, 3, 32, 32] and labels as int64 [n]."""
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % RECORD_BYTES:
        raise SystemExit(f"{path}: {raw.size} bytes is not a whole number of {RECORD_BYTES}-byte CIFAR-10 records. "
                         "Write it anew with: hedge data cifar10")
    records = raw.reshape(-1, RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise SystemExit(f"{path}: a label is {labels.max()}, CIFAR-10 has classes 0 to {len(CLASSES) - 1}")
    return records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE), labels


def to_grid(images: np.ndarray) -> np.ndarray:
    """uint8 pixels -> float32 network input on the grid of step 1/64."""
    return (images.astype(np.float32) - PIXEL_ZERO) * PIXEL_STEP


def augment(images: np.ndarray, rng: np.random.Generator, pad: int = 4) -> np.ndarray:
    """Random crop out of the image padded by `pad` grid zeros on each side, and a random horizontal flip."""
    n = len(images)
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=PIXEL_ZERO)
    tops, lefts = rng.integers(0, 2 * pad + 1, size=(2, n))
    flips = rng.random(n) < 0.5
    out = np.empty_like(images)
    for i in range(n):
        crop = padded[i, :, tops[i]:tops[i] + SIDE, lefts[i]:lefts[i] + SIDE]
        out[i] = crop[:, :, ::-1] if flips[i] else crop
    return out


def save(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Writes a record file: uint8 [n, 3, 32, 32] and labels [n]."""
    records = np.concatenate([labels.astype(np.uint8)[:, None], images.reshape(len(images), -1)], axis=1)
    records.tofile(path)
