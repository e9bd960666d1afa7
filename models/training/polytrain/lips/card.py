# SPDX-License-Identifier: Apache-2.0
"""Puts the trained networks into the product: weights, the cards' sums, the calibration, figures and raw results."""

import argparse
import datetime
import hashlib
import json
import re
import shutil
from pathlib import Path

MODELS = Path(__file__).resolve().parents[3]
MOUTH, SOUND = (MODELS / "cards" / f"lips-{name}.toml" for name in ("mouth", "sound"))
RESULTS = MODELS / "training" / "results"


def sums(card, onnx):
    """Copies a card's network, and writes its size and SHA-256."""
    path = onnx / f"{card.stem}.onnx"
    data = path.read_bytes()
    shutil.copy(path, MODELS / "weights" / path.name)
    text = re.sub(r'sha256 = "[0-9a-f]+"\nbytes = \d+', f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}', card.read_text())
    card.write_text(text)


def calibrated(text, known):
    rows = "\n".join("    { " + ", ".join(f"{name} = {row[name]}" for name in ("seconds", "scale", "offset", "far", "least_confidence", "threshold")) + " }," for row in known["windows"])
    section = f'[lip_sync]\nspeaking = {known["speaking"]}\nstill = {known["still"]}\ntalks = {known["talks"]}\nwindows = [\n{rows}\n]\n'
    return re.sub(r"\[lip_sync\]\n.*?\n\]\n", section, text, flags=re.DOTALL)


CORPORA = {
    "grid-1": "GRID speaker 1, clips of 3 s never trained on",
    "grid-1-shifted": "the same with shifted sound",
    "grid-others": "11 other GRID people, clips of 3 s",
    "grid-others-shifted": "the same with shifted sound",
    "pairs-grid-1": "GRID speaker 1 speaks, another GRID person beside",
    "pairs-others": "another GRID person speaks, speaker 1 beside",
    "portrait": "a still portrait under two readings",
}
"""What people read in place of a corpus's name."""


def measured(figures, about):
    """`figures`: [{measure, value, low, high, unit, data, clips, persons}] of `polygraph eval`; persons where they are counted."""
    blocks = []
    for one in figures:
        persons = f", {one['persons']} persons" if "persons" in one else ""
        bounds = "".join(f"{side} = {one[side]:.3f}\n" for side in ("low", "high") if one.get(side) is not None)
        blocks.append(
            f'[[quality.measured]]\nmeasure = "{one["measure"]}"\nvalue = {one["value"]:.3f}\n{bounds}unit = "{one["unit"]}"\n'
            f'data = "{CORPORA.get(one["data"], one["data"])} ({one["clips"]} clips{persons})"\ndate = "{about["date"][:10]}"\ncommit = "{about["commit"]}"\n'
        )
    return "\n".join(blocks)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path, help="folder of polytrain.lips.export")
    parser.add_argument("--run", type=Path, help="folder of polytrain.lips.train, whose metrics are kept")
    parser.add_argument("--calibration", type=Path, help="calibration.json of polytrain.lips.calibrate")
    parser.add_argument("--eval", type=Path, help="lips.json of `polygraph eval`")
    args = parser.parse_args()
    today = datetime.date.today().isoformat()
    read = lambda path: json.loads(path.read_text())
    if args.onnx:
        sums(MOUTH, args.onnx)
        sums(SOUND, args.onnx)
    text = MOUTH.read_text()
    if args.calibration:
        text = calibrated(text, read(args.calibration))
    if args.run:
        kept = {"run": read(args.run / "metrics.json"), "export": read(args.onnx / "export.json"), "calibration": read(args.calibration)}
        (RESULTS / f"{today}-lips-training.json").write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    if args.eval:
        report = read(args.eval)
        text = text.split("\n[[quality.measured]]")[0].rstrip() + "\n\n" + measured(report["figures"], report["about"])
        (RESULTS / f"{today}-lips-eval.json").write_text(json.dumps(report, separators=(",", ":")) + "\n")
    MOUTH.write_text(text)


if __name__ == "__main__":
    main()
