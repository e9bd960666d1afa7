# SPDX-License-Identifier: Apache-2.0
"""Puts the trained networks into the product: weights, the cards' sums, the gate, figures and raw results."""

import argparse
import datetime
import hashlib
import json
import re
from pathlib import Path

from ..lips.card import MODELS, RESULTS, measured

BOTH, SOUND = (MODELS / "cards" / f"speech-reading{name}.toml" for name in ("", "-sound"))


def sums(card):
    """Writes the size and SHA-256 of a card's network as it lies in `weights`."""
    data = (MODELS / "weights" / f"{card.stem}.onnx").read_bytes()
    card.write_text(re.sub(r'sha256 = "[0-9a-f]+"\nbytes = \d+', f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}', card.read_text()))


def gated(text, gate):
    """The card with a gate, or another one."""
    text = re.sub(r"\n\[lip_reading\.gate\]\n(?:[a-z_]+ = .*\n)+", "", text)
    lines = "".join(f"{name} = {value}\n" for name, value in gate.items())
    return text.replace("\n[quality]", f"\n[lip_reading.gate]\n{lines}\n[quality]", 1)


def alone(report):
    """What `polytrain.speech.alone` found, as figures of a card."""
    for line in report["rates"]:
        people = {"grid-1": "GRID speaker 1, position 7", "grid-others": "other GRID speakers"}[line["corpus"]]
        for name in ("sound only", "lips only", "both"):
            if name == "lips only" and line["condition"] != "clean":
                continue
            value, low, high = (number / 100 for number in line[name]["wer_low_high"])
            noise = "" if name == "lips only" else f", {line['condition']}"
            yield {"measure": f"word error rate, {name}", "value": value, "low": low, "high": high, "unit": "1", "data": f"{people}{noise} ({line['clips']} clips, the networks alone on streaming crops)"}


def worth(figure):
    """Whether a figure of the evaluation stands in the card too: GRID's in three conditions; all are in `results`."""
    corpus, _, condition = figure["data"].rpartition(", ")
    measure = figure["measure"]
    told = measure.startswith("word error rate") and (condition in ("clean", "0 dB", "-5 dB") if "lips only" not in measure else condition == "clean")
    return corpus.startswith("grid") and (told or (measure.startswith("aligned") and condition == "clean"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs=2, help="folders of polytrain.speech.train: both, and sound only")
    parser.add_argument("--gate", type=Path, help="gate.json of polytrain.speech.gate")
    parser.add_argument("--alone", type=Path, nargs=2, metavar=("JSON", "COMMIT"), help="figures of polytrain.speech.alone")
    parser.add_argument("--eval", type=Path, help="speech.json of `polygraph eval`")
    args = parser.parse_args()
    today = datetime.date.today().isoformat()
    sums(BOTH)
    sums(SOUND)
    read = lambda path: json.loads(path.read_text())
    if args.runs:
        kept = {name: read(run / "metrics.json") for name, run in zip(("both", "sound_only"), args.runs)}
        (RESULTS / f"{today}-speech-training.json").write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    if args.gate:
        gate = read(args.gate)
        BOTH.write_text(gated(BOTH.read_text(), gate["gate"]))
        (RESULTS / f"{today}-speech-gate.json").write_text(json.dumps(gate, indent=1) + "\n")
    if args.alone:
        about = {"date": today, "commit": str(args.alone[1])}
        text = BOTH.read_text().split("\n[[quality.measured]]")[0].rstrip() + "\n\n"
        BOTH.write_text(text + measured(list(alone(read(args.alone[0]))), about))
    if args.eval:
        report = read(args.eval)
        text = BOTH.read_text().split("\n[[quality.measured]]")[0].rstrip() + "\n\n"
        BOTH.write_text(text + measured([figure for figure in report["figures"] if worth(figure)], report["about"]))
        # Words alone would be megabytes.
        for item in report["items"]:
            for final in (item["found"] or {}).get("finals", ()):
                final.pop("words", None), final.pop("networks", None)
        (RESULTS / f"{today}-speech-eval.json").write_text(json.dumps(report, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
