# SPDX-License-Identifier: Apache-2.0
"""What the networks say of genuine calibration clips, as the product tells it: mean and standard deviation of the clips' mean logits
in a card's [typical], which a service holds the scores of its streams against (polygraph-core, drift.rs).

    polygraph analyze CLIP... --out FOLDER --no-transcript --no-scenes --no-shots
    typical.py FOLDER --about "whose clips" [--write]

Clips with fewer than ten scores of a network are left out. Without --write the numbers are only printed."""

import argparse
import json
from pathlib import Path

import numpy as np

# Scores of a clip.
LEAST = 10
CARDS = Path(__file__).resolve().parents[2] / "cards"
# The card of each part, and where a frame event has what it tells: of each face, or once.
PARTS = {
    "face-forensics": lambda frame: [(face.get("manipulation") or {}).get("p") for face in frame.get("faces", [])],
    "lips-mouth": lambda frame: [(face.get("lip_sync") or {}).get("mismatch_p") for face in frame.get("faces", [])],
    "voice-forensics": lambda frame: [((frame.get("audio") or {}).get("synthetic") or {}).get("p")],
}


def frames(clip):
    """What the frame events of a run say, in order."""
    with open(clip / "events.ndjson", encoding="utf-8") as events:
        for event in map(json.loads, events):
            if event["type"] == "io.polygraph.frame.v1":
                yield event["data"]


def scores(clip):
    """By card, all probabilities in a clip's events."""
    found = {card: [] for card in PARTS}
    for frame in frames(clip):
        for card, told in PARTS.items():
            found[card] += [p for p in told(frame) if p is not None]
    return found


def logit(p):
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--about", required=True)
    parser.add_argument("--cards", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--write", action="store_true", help="into the cards")
    args = parser.parse_args()
    clips = [scores(clip.parent) for clip in sorted(args.folder.glob("*/events.ndjson"))]
    for card in args.cards:
        means = np.array([logit(np.array(clip[card])).mean() for clip in clips if len(clip[card]) >= LEAST])
        block = f'[typical]\nlogit = {means.mean():.4f}\ndeviation = {means.std(ddof=1):.4f}\ndata = "{args.about} ({len(means)} clips)"\n\n'
        print(card, block, sep="\n")
        if args.write:
            path = CARDS / f"{card}.toml"
            text = path.read_text(encoding="utf-8")
            if "[typical]" in text:
                text = text[: text.index("[typical]")] + text[text.index("[quality]") :]
            path.write_text(text.replace("[quality]\n", block + "[quality]\n", 1), encoding="utf-8")


if __name__ == "__main__":
    main()
