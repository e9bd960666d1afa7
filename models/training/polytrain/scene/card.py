# SPDX-License-Identifier: Apache-2.0
"""Puts the trained network into the product: `--onnx` copies the weights and writes the card with their sums and the calibration; `--eval`
writes the figures that `polygraph eval` measured."""

import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path

from .groups import GROUPS

MODELS = Path(__file__).resolve().parents[3]
CARD = MODELS / "cards" / "scene-groups.toml"
RESULTS = MODELS / "training" / "results"
FILES = ("scene-groups.onnx",)
CONDITIONS = {"clean": "", "qp36": ", H.264 at QP 36"}
CORPORA = {"miniplaces": "MiniPlaces' test half", "fifteen": "15-scene pictures, never trained on", "intel": "Intel's test part"}
BLANK = {"black-bars": "black, white and test cards of ffmpeg", "text": "cards of text, another generator's", "graphics": "charts, another generator's"}
FIGURES = (
    ("top-1 in groups, micro", ("figures", "micro")), ("top-1 in groups, macro", ("figures", "macro_")), ("answered", ("figures", "coverage")),
    ("precision of what is answered", ("figures", "precision")), ("expected calibration error", ("figures", "ece")), ("indoors or outdoors", ("place",)),
)


def sums(text, onnx):
    for name in FILES:
        data = (onnx / name).read_bytes()
        shutil.copy(onnx / name, MODELS / "weights" / name)
        block = re.compile(rf'(path = "models/weights/{re.escape(name)}"\n)sha256 = "[0-9a-f]+"\nbytes = \d+')
        text, count = block.subn(rf'\1sha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}', text)
        if count != 1:
            raise SystemExit(f"{CARD} has no file {name}")
    return text


def section(found, between, precision):
    """`[scene]` of the card, and its calibration."""
    groups = "\n".join(
        f'    {{ label = "{label}"' + (f", precision = {precision[label]:.3f}" if label in precision else "") + " }," for label in GROUPS)
    user = found["added"]
    return (
        f'[calibration]\nmethod = "temperature"\nscale = {found["scale"]:.4f}\nthreshold = {found["threshold"]:.3f}\n'
        f'note = "p = softmax(scale * log-probability). At the threshold {100 * found["coverage"]:.0f} % of the pictures to choose with are answered, 91 % of them right."\n\n'
        f'[scene]\nplace_scale = {found["place_scale"]:.4f}\nplace_offset = {found["place_offset"]:.4f}\nplace_least = {found["place_least"]:.3f}\n'
        f"groups = [\n{groups}\n]\n\n[scene.added]\nscale = {user['scale']:.4f}\noffset = {user['offset']:.4f}\nleast = {user['least']:.3f}\n"
        f"between = {json.dumps(between)}\n")


def replaced(text, new):
    return re.sub(r"\[calibration\]\n.*?(?=\n\[quality\]\n)", lambda _: new, text, count=1, flags=re.DOTALL)


def measured(report):
    blocks, date, commit = [], report["about"]["date"][:10], report["about"]["commit"]

    def add(measure, figure, data):
        bounds = "".join(f"{side} = {value:.3f}\n" for side, value in zip(("low", "high"), figure["interval"] or ()))
        blocks.append(f'[[quality.measured]]\nmeasure = "{measure}"\nvalue = {figure["value"]:.3f}\n{bounds}unit = "1"\ndata = "{data}"\ndate = "{date}"\ncommit = "{commit}"\n')

    for one in report["measured"]:
        condition = CONDITIONS.get(one["condition"])
        if condition is None:
            continue
        if one["corpus"] in BLANK and one["refused"]:
            add("given no label", one["refused"], BLANK[one["corpus"]] + condition)
        for name, keys in FIGURES if one["corpus"] in CORPORA else ():
            figure = one
            for key in keys:
                figure = figure[key]
            if figure:
                add(name, figure, CORPORA[one["corpus"]] + condition)
    return "\n".join(blocks)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--eval", type=Path)
    parser.add_argument("--note", help="what is to be said first of its quality")
    args = parser.parse_args()
    text = CARD.read_text()
    training = RESULTS / "2026-11-27-scene-training.json"
    if args.onnx:
        finish = json.loads((args.onnx / "finish.json").read_text())
        text = replaced(sums(text, args.onnx), section(finish["choose"], finish["between"], {}))
        log = [json.loads(line) for line in (args.run / "log.jsonl").read_text().splitlines()]
        training.write_text(json.dumps({**json.loads(training.read_text()), "log": log, "finish": finish}, indent=1) + "\n")
    if args.eval:
        report = json.loads(args.eval.read_text())
        clean = next(one for one in report["measured"] if one["corpus"] == "miniplaces" and one["condition"] == "clean")
        precision = {label: row["precision"] for label, row in zip(report["labels"], clean["classes"]) if row["precision"] is not None and row["told"] >= 10}
        finish = json.loads(training.read_text())["finish"]
        text = replaced(text, section(finish["choose"], finish["between"], precision))
        note = args.note or re.search(r'\[quality\]\nnote = "(.*)"', text).group(1)
        text = text[: text.index("[quality]")] + f'[quality]\nnote = "{note}"\n\n{measured(report)}'
        (RESULTS / f'{report["about"]["date"][:10]}-scene-eval.json').write_text(json.dumps(report) + "\n")
    CARD.write_text(text)


if __name__ == "__main__":
    main()
