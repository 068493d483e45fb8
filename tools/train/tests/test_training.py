"""One short training on real images, stopped and resumed, then exported; and one export for each payload width.

    HEDGE_DATA=data/cifar10 PYTHONPATH=tools/train python3 -m unittest discover -s tools/train/tests -t tools/train

HEDGE_DATA: a folder with train.bin and test.bin of at least 500 images. Prints what training came to as one line of JSON.
"""

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import torch

from hedge_train import data, export, golden, graph_eval, margins, quantizers, train
from hedge_train.export_onnx import to_onnx
from hedge_train.network import HybridResNet, Shape

DATA = Path(os.environ["HEDGE_DATA"])
EPOCHS = 6
SETTINGS = ["--depth", "8", "--edge-blocks", "2", "--epochs", str(EPOCHS), "--batch", "32", "--train-images", "2000",
            "--validation", "100", "--device", "cpu"]


def run_training(out: Path, *extra: str) -> list[dict]:
    """Trains into `out`; the log's rows."""
    with contextlib.redirect_stdout(io.StringIO()):
        train.main(["--data", str(DATA), "--out", str(out), *SETTINGS, *extra])
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def short_network(bits: int, edge_blocks: int) -> tuple[HybridResNet, torch.Tensor]:
    """A network whose grids and batch norms have seen real images, and 8 of them."""
    torch.manual_seed(bits)
    net = HybridResNet(Shape(depth=8, edge_blocks=edge_blocks, payload_bits=bits))
    images, _ = data.load(DATA / "test.bin")
    x = torch.from_numpy(data.to_grid(images[:64]))
    with torch.no_grad():
        for parameter in (m.bias for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            parameter.uniform_(-0.5, 0.5)
        net.train()
        for _ in range(24):
            net(x)
    net.freeze_grids()
    margins.separate(net)
    return net.eval(), x[:8]


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)
        cls.rows = run_training(cls.folder / "whole")

    def test_loss_falls(self) -> None:
        losses = [row["loss"] for row in self.rows]
        print(json.dumps({"losses": losses, "seconds": self.rows[-1]["seconds"], "accuracy_final": self.rows[-1]["accuracy_final"]}))
        self.assertEqual(len(losses), EPOCHS)
        self.assertLess(losses[-1], 0.95 * losses[0])

    def test_stopped_and_resumed_is_the_same_training(self) -> None:
        resumed = self.folder / "resumed"
        self.assertEqual(len(run_training(resumed, "--stop-after", "2")), 2)
        rows = run_training(resumed)
        self.assertEqual([r["loss"] for r in rows], [r["loss"] for r in self.rows])
        whole, again = (torch.load(self.folder / name / "checkpoint.pt")["net"] for name in ("whole", "resumed"))
        for name, value in whole.items():
            self.assertTrue(torch.equal(value, again[name]), name)

    def test_other_settings_do_not_resume(self) -> None:
        with self.assertRaisesRegex(SystemExit, "made with other settings"):
            run_training(self.folder / "whole", "--epochs", "9")

    def test_a_further_phase_starts_from_the_weights_and_stands_in_the_card(self) -> None:
        further = self.folder / "further"
        rows = run_training(further, "--start-from", str(self.folder / "whole/checkpoint.pt"), "--stop-after", "1", "--seed", "7")
        self.assertLess(rows[0]["loss"], self.rows[0]["loss"])
        out = self.folder / "exported-further"
        with contextlib.redirect_stdout(io.StringIO()):
            export.main(["--checkpoint", str(further / "checkpoint.pt"), "--data", str(DATA), "--out", str(out)])
        card = (out / "card.md").read_text()
        self.assertIn("--start-from runs/exported-further-phase1/checkpoint.pt", card)
        self.assertEqual(card.count("python3 -m hedge_train.train"), 2)

    def test_a_frozen_edge_stays_as_it_is(self) -> None:
        frozen = self.folder / "frozen"
        run_training(frozen, "--start-from", str(self.folder / "whole/checkpoint.pt"), "--freeze-edge", "--stop-after", "1")
        before, after = (torch.load(self.folder / name / "checkpoint.pt")["net"] for name in ("whole", "frozen"))
        for name, value in before.items():
            if name.split(".")[0] in ("first", "edge", "streams") and not name.endswith("frozen"):
                self.assertTrue(torch.equal(value, after[name]), name)
        self.assertFalse(torch.equal(before["fc.weight"], after["fc.weight"]))

    def test_without_the_grid_it_trains_but_does_not_export(self) -> None:
        floating = self.folder / "floating"
        run_training(floating, "--no-grid", "--stop-after", "1")
        quantizers.use_grid(True)
        with self.assertRaisesRegex(SystemExit, "off the integer grid"):
            export.main(["--checkpoint", str(floating / "checkpoint.pt"), "--data", str(DATA), "--out", str(self.folder / "never")])

    def test_export_writes_what_the_network_does(self) -> None:
        out = self.folder / "exported"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            export.main(["--checkpoint", str(self.folder / "whole/checkpoint.pt"), "--data", str(DATA), "--out", str(out)])
        self.assertIn("whole network", said.getvalue())
        self.assertEqual({p.name for p in out.iterdir()}, {"model.onnx", "card.md", "golden.json", "golden.bin", "calibration.bin"})
        calibration, _ = data.load(out / "calibration.bin")
        self.assertTrue(np.array_equal(calibration, data.load(DATA / "train.bin")[0][:64]))
        net, _ = export.load_checkpoint(self.folder / "whole/checkpoint.pt")
        export.assert_same(net, onnx.load(str(out / "model.onnx")), data.load(DATA / "test.bin")[0][:100])


class Export(unittest.TestCase):
    def test_every_payload_width_equals_the_network(self) -> None:
        for bits, blocks in ((1, 2), (2, 1), (4, 2), (8, 1)):
            with self.subTest(bits=bits, edge_blocks=blocks), torch.no_grad():
                net, x = short_network(bits, blocks)
                values = graph_eval.evaluate(to_onnx(net, 0.5), x)
                exit_logits, logits = net(x)
                stream = net.forward_edge(x)
                self.assertTrue(torch.equal(values["exit_logits"].float(), exit_logits))
                self.assertTrue(torch.equal(values.get("cloud.in", values["payload"]).float() if bits in (2, 4) else
                                            values["payload"].float(), net.payload(stream, net.streams[-1])))
                self.assertLess(float((values["logits"] - logits).abs().max()), 1e-3)
                # A constant map would make the comparison empty.
                self.assertGreater(float(stream.std()), 1)
                self.assertGreater(len(values["payload"].unique()), 1)

    def test_golden_integers_give_back_the_values(self) -> None:
        net, x = short_network(2, 2)
        model = to_onnx(net, 0.5)
        images = data.load(DATA / "test.bin")[0][:2]
        values = graph_eval.evaluate(model, x[:2])
        with tempfile.TemporaryDirectory() as folder:
            golden.write(model, images, Path(folder))
            index = json.loads(Path(folder, "golden.json").read_text())
            blob = Path(folder, "golden.bin").read_bytes()
        names = {t["name"] for t in index["tensors"]}
        convs = {n.output[0] for n in model.graph.node if n.op_type == "Conv" and n.output[0].startswith(("first", "edge"))}
        self.assertLessEqual(convs | {f"stream.{k}" for k in range(5)} | {"exit_logits", "payload", "logits"}, names)
        for t in index["tensors"]:
            array = np.frombuffer(blob, golden.TYPES[t["dtype"]], t["count"], t["offset"]).reshape(t["shape"])
            if t["name"] == "payload.packed":
                levels = (values["payload"].numpy() / 1.0 + 2).astype(int).transpose(0, 2, 3, 1).reshape(2, -1, 4)
                packed = (levels << np.array([0, 2, 4, 6])).sum(2).astype(np.uint8)
                self.assertTrue(np.array_equal(array.view(np.uint8), packed))
            else:
                wanted = values[t["name"]].numpy()
                same = np.float32(wanted) if t["dtype"] == "float32" else wanted
                self.assertTrue(np.array_equal(array.astype(wanted.dtype) * t["scale"], same), t["name"])

    def test_crossings_keep_away_from_integers(self) -> None:
        norm = torch.nn.BatchNorm2d(4)
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([1.0, -2.0, 0.0, 0.3]))
            # Crossings at 0, 1 and none, and one between integers.
            norm.bias.copy_(torch.tensor([0.0, 2.0, 0.0, 0.1]))
            norm.running_var.fill_(1 - norm.eps)
        before = norm.bias.clone()
        self.assertEqual(margins.separate_norm(norm, [0.0]), 3)
        self.assertGreaterEqual(float(margins.closest(margins.crossings(norm, [0.0])).min()), margins.MARGIN)
        self.assertLess(float((norm.bias - before).abs().max()), 0.01)
        self.assertEqual(margins.separate_norm(norm, [0.0]), 0)

    def test_accumulators_beyond_float32_are_refused(self) -> None:
        net, _ = short_network(1, 1)
        with torch.no_grad():
            net.exit.fc.bias.fill_(1e6)
        with self.assertRaisesRegex(ValueError, "exit: an accumulator may reach"):
            to_onnx(net, 0.5)

    def test_a_file_that_is_no_checkpoint_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "checkpoint.pt")
            with self.assertRaisesRegex(SystemExit, "no such file. Train first"):
                export.load_checkpoint(path)
            path.write_bytes(b"not a checkpoint")
            with self.assertRaisesRegex(SystemExit, "not a checkpoint of this trainer"):
                export.load_checkpoint(path)


if __name__ == "__main__":
    unittest.main()
