# SPDX-License-Identifier: Apache-2.0
"""How the networks' probabilities are spread on genuine calibration material, as the product tells them: the deciles in a card's
[typical], which a service holds the scores of its streams against (polygraph-core, drift.rs).

    polygraph analyze CLIP... --out FOLDER --no-transcript --no-scenes --no-shots
    typical.py NAME=FOLDER... [--write]

Each group weighs the same, whatever there is of it. Without --write the deciles are only printed."""

import argparse
import json
from pathlib import Path

import numpy as np

CARDS = Path(__file__).resolve().parents[2] / "cards"
# The card of each part, and where a frame event has what it tells: of each face, or once.
PARTS = {
    "face-forensics": lambda frame: [(face.get("manipulation") or {}).get("p") for face in frame.get("faces", [])],
    "lips-mouth": lambda frame: [(face.get("lip_sync") or {}).get("mismatch_p") for face in frame.get("faces", [])],
    "voice-forensics": lambda frame: [((frame.get("audio") or {}).get("synthetic") or {}).get("p")],
}


def scores(folder):
    """By card, all probabilities in the events below a folder."""
    found = {card: [] for card in PARTS}
    for events in sorted(folder.rglob("events.ndjson")):
        for line in open(events, encoding="utf-8"):
            event = json.loads(line)
            if event["type"] == "io.polygraph.frame.v1":
                for card, told in PARTS.items():
                    found[card] += [p for p in told(event["data"]) if p is not None]
    return found


def deciles(groups):
    """Of several lists of scores, each of which weighs the same."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(group), 1 / len(group)) for group in groups])
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return [round(float(values[order][np.searchsorted(share, at / 10)]), 6) for at in range(1, 10)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+")
    parser.add_argument("--write", action="store_true", help="into the cards")
    args = parser.parse_args()
    groups = {name: scores(Path(folder)) for name, folder in (given.split("=", 1) for given in args.groups)}
    for card in PARTS:
        its = {name: found[card] for name, found in groups.items() if found[card]}
        data = ", ".join(f"{name} ({len(found)} scores)" for name, found in its.items())
        block = f'[typical]\ndeciles = {deciles(list(its.values()))}\ndata = "genuine: {data}; each weighs the same"\n\n'
        print(card, block, sep="\n")
        if args.write:
            path = CARDS / f"{card}.toml"
            text = path.read_text(encoding="utf-8")
            if "[typical]" in text:
                text = text[: text.index("[typical]")] + text[text.index("[quality]") :]
            path.write_text(text.replace("[quality]\n", block + "[quality]\n", 1), encoding="utf-8")


if __name__ == "__main__":
    main()
