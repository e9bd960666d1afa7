# SPDX-License-Identifier: Apache-2.0
"""The DFDC face crops (Dolhansky et al., 2020): research terms, never committed."""

import csv
from functools import cache
from pathlib import Path

LAYOUT = (
    "folder with faces_224/<video>.jpg (95,634 crops of 224x224) and metadata.csv (videoname, original_width, "
    "original_height, label REAL|FAKE, original)"
)


@cache
def metadata(folder: Path):
    """`{name: original or None}` for the crops that are there; names without extension."""
    table = Path(folder) / "metadata.csv"
    if not table.exists():
        raise SystemExit(f"{table} is missing: --dfdc wants a {LAYOUT}")
    found = {}
    with open(table, newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            name = row["videoname"].removesuffix(".mp4")
            found[name] = row["original"].removesuffix(".mp4") if row["label"] == "FAKE" else None
    return found


def genuine(folder: Path):
    """Names of the genuine crops."""
    return [name for name, original in metadata(folder).items() if original is None]


def fakes(folder: Path):
    """`{original: [its fakes]}`, only where the original is there."""
    table = metadata(folder)
    found = {}
    for name, original in table.items():
        if original is not None and original in table:
            found.setdefault(original, []).append(name)
    return {original: sorted(names) for original, names in found.items()}


def picture(folder: Path, name: str) -> Path:
    """Where a crop lies."""
    return Path(folder) / "faces_224" / f"{name}.jpg"
