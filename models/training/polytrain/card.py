# SPDX-License-Identifier: Apache-2.0
"""Puts a trained network into the product: weights, the card's sums and figures, and the raw results.

Two steps, since calibration comes between: `--onnx` copies the weights and writes their sizes and sums into the card;
`--eval` writes the figures that `polygraph eval` measured, and keeps its report without items and curves.
"""

import argparse
import datetime
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2]
CARD = MODELS / "cards" / "face-forensics.toml"
RESULTS = MODELS / "training" / "results"
FILES = ("face-forensics.int8.onnx", "face-forensics.onnx")
# What makes a report long: one line for each item and each point of a curve.
LONG = {"roc", "points", "items"}

DFDC = "DFDC crops of the test persons"
# condition, list of slices, its name, measure, key, on judged items or on all, what it was measured on
FIGURES = [
    ("clean", "by_corpus", "dfdc", "AUC", "auc", "judged", f"{DFDC}, judged items"),
    ("clean", "by_corpus", "dfdc", "TPR at 5 % FPR", "tpr_at_5", "judged", f"{DFDC}, judged items"),
    ("clean", "by_corpus", "dfdc", "TPR at 1 % FPR", "tpr_at_1", "judged", f"{DFDC}, judged items"),
    ("clean", "by_corpus", "dfdc", "FPR at the threshold", "fpr", "judged", f"{DFDC}, judged items"),
    ("clean", "by_corpus", "dfdc", "AUC within a person", "within_person_auc", "judged", f"{DFDC}, judged items"),
    ("clean", "by_corpus", "dfdc", "AUC", "auc", "all", f"{DFDC}, those not judged ranking last"),
    ("moving38", "by_corpus", "dfdc", "AUC", "auc", "judged", f"{DFDC}, moving in 640x360 at QP 38"),
    ("moving38", "by_corpus", "dfdc", "FPR at the threshold", "fpr", "judged", f"{DFDC}, moving in 640x360 at QP 38"),
    ("noise", "by_corpus", "dfdc", "AUC", "auc", "judged", f"{DFDC}, with noise"),
    ("noise", "by_corpus", "dfdc", "FPR at the threshold", "fpr", "judged", f"{DFDC}, with noise"),
    ("half", "by_corpus", "dfdc", "AUC", "auc", "judged", f"{DFDC}, at half the size"),
    ("boxes+10", "by_corpus", "dfdc", "FPR at the threshold", "fpr", "judged", f"{DFDC}, boxes 10 % too large"),
    ("boxes-10", "by_corpus", "dfdc", "FPR at the threshold", "fpr", "judged", f"{DFDC}, boxes 10 % too small"),
    ("clean", "by_corpus", "grid-strangers", "FPR at the threshold", "fpr", "judged", "genuine GRID clips of people never trained on"),
    ("clean", "by_corpus", "grid-strangers-manipulated", "AUC", "auc", "judged", "the same people, four manipulations never trained on, pooled"),
    ("clean", "by_corpus", "grid-strangers-manipulated", "AUC within a person", "within_person_auc", "judged", "the same people, four manipulations never trained on"),
    ("clean", "by_corpus", "blends", "AUC", "auc", "judged", "self-blends of DFDC test persons, a manipulation that was trained on"),
    ("clean", "by_manipulation", "stylegan", "TPR at the threshold", "tpr", "judged", "faces that StyleGAN made whole"),
    ("clean", "by_manipulation", "generated", "TPR at the threshold", "tpr", "judged", "faces that generators of which nothing is told made whole"),
    ("clean", "by_manipulation", "diffusion", "TPR at the threshold", "tpr", "judged", "faces that diffusion models made whole"),
]


def sums(text, onnx):
    """The card with the sizes and SHA-256 of the files in `onnx`, which are copied to the weights."""
    for name in FILES:
        data = (onnx / name).read_bytes()
        shutil.copy(onnx / name, MODELS / "weights" / name)
        block = re.compile(rf'(path = "models/weights/{re.escape(name)}"\n)sha256 = "[0-9a-f]+"\nbytes = \d+')
        text, count = block.subn(rf'\1sha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}', text)
        if count != 1:
            raise SystemExit(f"{CARD} has no file {name}")
    return text


def measured(report):
    """The card's figures of a report, as TOML."""
    conditions = {one["condition"]: one for one in report["conditions"]}
    blocks = []
    for condition, slices, name, measure, key, items, data in FIGURES:
        found = [one for one in conditions.get(condition, {}).get(slices, []) if one["name"] == name]
        figure = found[0][items].get(key) if found else None
        if figure is None or figure["value"] is None:
            print(f"not measured: {measure}, {data}")
            continue
        bounds = "".join(f"{side} = {value:.3f}\n" for side, value in zip(("low", "high"), figure["interval"] or ()))
        blocks.append(
            f'[[quality.measured]]\nmeasure = "{measure}"\nvalue = {figure["value"]:.3f}\n{bounds}unit = "1"\n'
            f'data = "{data}"\ndate = "{report["about"]["date"][:10]}"\ncommit = "{report["about"]["commit"]}"\n'
        )
    return "\n".join(blocks)


def shortened(report):
    """A report without its items and curves; the corpora that are shown one by one keep theirs."""

    def without(value):
        if isinstance(value, dict):
            return {key: without(part) for key, part in value.items() if not (key in LONG and isinstance(part, list))}
        return [without(part) for part in value] if isinstance(value, list) else value

    small = [one | {"items": [report["items"][number] for number in one["items"]]} for one in report["small"]]
    return without(report) | {"small": small}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path, help="folder of polytrain.export")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="folders of polytrain.train, in order, whose metrics are kept, and the last one's remedies.json")
    parser.add_argument("--eval", type=Path, help="eval.json of `polygraph eval`")
    args = parser.parse_args()
    text, today = CARD.read_text(), datetime.date.today().isoformat()
    if args.onnx:
        text = sums(text, args.onnx)
        read = lambda path: json.loads(path.read_text())
        kept = {"runs": [read(run / "metrics.json") for run in args.runs], "export": read(args.onnx / "export.json")}
        kept |= {"remedies": read(run / "remedies.json") for run in args.runs[-1:] if (run / "remedies.json").exists()}
        (RESULTS / f"{today}-face-training.json").write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    if args.eval:
        report = json.loads(args.eval.read_text())
        text = text[: text.index("[[quality.measured]]")] + measured(report)
        (RESULTS / f"{today}-face-eval.json").write_text(json.dumps(shortened(report), separators=(",", ":")) + "\n")
    CARD.write_text(text)
    subprocess.run(["git", "-C", str(MODELS), "diff", "--stat"], check=True)


if __name__ == "__main__":
    main()
