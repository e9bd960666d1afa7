# SPDX-License-Identifier: Apache-2.0
"""Puts what `polygraph eval` measured on voices into the card, and keeps its report without items."""

import argparse
import json
import subprocess
from pathlib import Path

MODELS = Path(__file__).resolve().parents[3]
CARD = MODELS / "cards" / "voice-forensics.toml"
RESULTS = MODELS / "training" / "results"
NAMES = {
    "grid-others": "other GRID people", "grid-s1": "GRID speaker 1", "reader": "the reader of training", "urdu": "Urdu talk shows",
    "libri": "LibriSpeech readers", "emodb": "EmoDB", "moonshine": "Moonshine's recordings",
}


def head():
    """The commit that is checked out."""
    call = ["git", "-C", str(MODELS), "rev-parse", "--short", "HEAD"]
    return subprocess.run(call, capture_output=True, check=True, text=True).stdout.strip()


def measured(report):
    """Figures as (measure, estimate, what it was measured on)."""
    for run in report["conditions"]:
        under = "" if run["condition"] == "clean" else f", {run['title']}"
        for corpus in run["corpora"]:
            name = NAMES.get(corpus["corpus"], corpus["corpus"])
            for against in corpus["against"]:
                what = {"kokoro": "Kokoro", "copies": "their copies by vocoders"}.get(against["kind"])
                if what and (run["condition"] == "clean" or corpus["corpus"] == "grid-others"):
                    few = ", fewer than 30" if against["few"] else ""
                    yield "EER", against["eer"], f"{name} against {what}{under} ({corpus['genuine']} and {against['synthetic']}{few})"
            if run["condition"] == "clean":
                yield "pairs in order", corpus["copies_in_order"], f"{name}, copies above their own originals"
                yield "FPR at the threshold", corpus["false_alarms"], f"genuine {name}"
        for kind in run["kinds"]:
            if run["condition"] == "clean":
                yield "TPR at the threshold", kind["found"], f"{kind['kind']} ({kind['judged']})"


def block(measure, estimate, data, about):
    interval = estimate.get("interval")
    bounds = f"low = {interval[0]:.3f}\nhigh = {interval[1]:.3f}\n" if interval else ""
    commit = f'commit = "{about["commit"] or head()}"\n'
    return (f'\n[[quality.measured]]\nmeasure = "{measure}"\nvalue = {estimate["value"]:.3f}\n{bounds}unit = "1"\n'
            f'data = "{data}"\ndate = "{about["date"][:10]}"\n{commit}')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eval", type=Path, nargs="+", required=True, help="eval.json of `polygraph eval`, of other conditions each")
    parser.add_argument("--note", help="the card's word on what it is worth")
    args = parser.parse_args()
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in args.eval]
    text = CARD.read_text(encoding="utf-8")
    text = text[:text.index("[quality]")]
    note = args.note or "Experimental."
    text += f'[quality]\nnote = "{note}"\n'
    for report in reports:
        for measure, estimate, data in measured(report):
            if estimate:
                text += block(measure, estimate, data, report["about"])
    CARD.write_text(text, encoding="utf-8")
    for report in reports:
        report.pop("items")
    (RESULTS / f"{reports[0]['about']['date'][:10]}-voice-eval.json").write_text(json.dumps(reports, indent=1) + "\n")


if __name__ == "__main__":
    main()
