# SPDX-License-Identifier: Apache-2.0
"""Writes the trained network as ONNX, fp32 and int8, and measures both on pairs of calibration persons."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from sklearn.metrics import roc_auc_score

from . import folds, network, pairs, train
from .blazeface import session


class Examples(CalibrationDataReader):
    """Crops of training pairs, for the ranges of activations."""

    def __init__(self, crops):
        self.batches = iter([{"face": part} for part in np.array_split(crops, max(len(crops) // 8, 1))])

    def get_next(self):
        return next(self.batches, None)


def measured(path, crops, labels):
    """AUC, milliseconds a crop at batch 1 on one thread, and the file's size."""
    net = session(path)
    logits, began = [], time.process_time()
    for one in crops:
        logits.append(net.run(["logit"], {"face": one[None].astype(np.float32) / 255})[0][0])
    spent = time.process_time() - began
    return {"auc": roc_auc_score(labels, logits), "cpu_ms": 1000 * spent / len(crops), "bytes": path.stat().st_size}, np.array(logits)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="weights.pt or checkpoint.pt of polytrain.train")
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=400)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = network.FaceForensics(pretrained=False)
    model.load_state_dict(torch.load(args.weights, weights_only=True)["mean"])
    full, prepared, small = (args.out / name for name in ("face-forensics.onnx", "prepared.onnx", "face-forensics.int8.onnx"))
    network.export(model, full)
    dfdc_folds, _ = folds.read(args.folds)
    maker = pairs.Maker(pairs.training_faces(args.faces, dfdc_folds), 99)
    examples = np.concatenate([maker.tensors(pair)[0] for pair in maker.pairs(200)]).astype(np.float32) / 255
    quant_pre_process(str(full), str(prepared))
    quantize_static(
        str(prepared), str(small), Examples(examples),
        quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
    )
    prepared.unlink()
    crops, labels = train.validation(args.faces, dfdc_folds, args.pairs)
    report = {}
    for name, path in (("fp32", full), ("int8", small)):
        report[name], logits = measured(path, crops.numpy(), labels)
        report[name]["mean_logits"] = [float(logits[labels == label].mean()) for label in (0, 1)]
    print(json.dumps(report, indent=1))
    (args.out / "export.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
