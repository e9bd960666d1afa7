# SPDX-License-Identifier: Apache-2.0
"""The reliability picture of what `table.py` wrote: share of manipulated segments over told probability, at even odds.

    picture.py RESULTS.json --out RESULTS.svg"""

import argparse
import json
from pathlib import Path

SIDE, GAP = 220, 50
COLOURS = {"noisy-or without voice": "#1b6ca8", "noisy-or": "#7fb2d6", "logistic": "#d1495b", "network": "#2e8b57"}


def panel(name, test, left):
    """One test's panel, at `left`."""
    at = lambda x, y: f"{left + x * SIDE:.1f},{GAP + (1 - y) * SIDE:.1f}"
    out = [
        f'<rect x="{left}" y="{GAP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>',
        f'<polyline points="{at(0, 0)} {at(1, 1)}" stroke="#bbb" stroke-dasharray="4"/>',
        f'<text x="{left}" y="{GAP - 10}">{name}: {test["pairs"]} pairs, {test["segments"]} segments</text>',
        f'<text x="{left + SIDE / 2 - 60}" y="{GAP + SIDE + 20}">told probability, 0 to 1</text>',
    ]
    for way, colour in COLOURS.items():
        bins = test[way]["calibration"]["bins"]
        points = " ".join(at(mean, share) for mean, share, _ in bins)
        out.append(f'<polyline points="{points}" stroke="{colour}"/>')
        # A dot's area is the bin's weight.
        out += [f'<circle cx="{at(mean, share).split(",")[0]}" cy="{at(mean, share).split(",")[1]}" r="{2 + 10 * weight**0.5:.1f}" fill="{colour}" fill-opacity="0.5"/>' for mean, share, weight in bins]
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    tests = json.loads(args.results.read_text(encoding="utf-8"))["tests"]
    width = GAP + len(tests) * (SIDE + GAP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{SIDE + 3 * GAP}" font-family="sans-serif" font-size="12" fill="none">']
    out.append('<rect width="100%" height="100%" fill="white"/><g fill="#222">')
    for at, (name, test) in enumerate(tests.items()):
        out += panel(name, test, GAP + at * (SIDE + GAP))
    for at, (way, colour) in enumerate(COLOURS.items()):
        eces = ", ".join(f"{test[way]['calibration']['ece']:.2f}" for test in tests.values())
        x, y = GAP + (at % 2) * (SIDE + GAP), 2 * GAP + SIDE + 18 * (at // 2)
        out.append(f'<text x="{x}" y="{y}" fill="{colour}">{way}: ECE {eces}</text>')
    out.append("</g></svg>")
    args.out.write_text("\n".join(out).replace("<polyline ", '<polyline fill="none" ') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
