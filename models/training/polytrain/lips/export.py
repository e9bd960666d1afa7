# SPDX-License-Identifier: Apache-2.0
"""Writes both networks as ONNX, and measures that pieces of a stream get the vectors of the whole, and at what cost."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from .network import MOUTH_CONTEXT, SOUND_CONTEXT
from .train import Model


def load(weights):
    """The model of a weights.pt, or of a checkpoint.pt."""
    model = Model()
    model.load_state_dict(torch.load(weights, weights_only=True)["mean"])
    return model.eval()


def write(net, example, name, path):
    torch.onnx.export(
        net, (example,), str(path), input_names=[name], output_names=["vectors"], opset_version=17, dynamo=False,
        dynamic_axes={name: {1: "length"}, "vectors": {1: "steps"}},
    )


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def cost(net, name, example):
    """CPU milliseconds of a call."""
    for _ in range(5):
        net.run(None, {name: example})
    began = time.process_time()
    for _ in range(50):
        net.run(None, {name: example})
    return 1000 * (time.process_time() - began) / 50


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = load(args.weights)
    mouths = torch.rand(1, 50 + MOUTH_CONTEXT, 48, 48) * 255
    sound = torch.randn(1, 50 * 640 + SOUND_CONTEXT) * 0.1
    report = {}
    for net, whole, name, unit, context in (
        (model.mouth, mouths, "mouths", 1, MOUTH_CONTEXT),
        (model.sound, sound, "sound", 640, SOUND_CONTEXT),
    ):
        path = args.out / f"lips-{'mouth' if name == 'mouths' else 'sound'}.onnx"
        write(net, whole, name, path)
        runs = session(path)
        with torch.no_grad():
            wanted = net(whole).numpy()
        pieces = [runs.run(None, {name: whole[:, at * unit : (at + 5) * unit + context].numpy()})[0] for at in range(0, 50, 5)]
        worst = float(np.abs(np.concatenate(pieces, 1) - wanted).max())
        assert worst < 1e-3, f"{name}: pieces differ from the whole by {worst}"
        report[name] = {"bytes": path.stat().st_size, "worst_difference": worst, "cpu_ms_of_5_steps": cost(runs, name, whole[:, : 5 * unit + context].numpy())}
    print(json.dumps(report, indent=1))
    (args.out / "export.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
