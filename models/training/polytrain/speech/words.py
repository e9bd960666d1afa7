# SPDX-License-Identifier: Apache-2.0
"""GRID's 51 words: the lexicon that is built into the network, one class a word; class 0 is CTC's blank."""

from pathlib import Path

WORDS = (
    "bin lay place set blue green red white at by in with "
    "a b c d e f g h i j k l m n o p q r s t u v x y z "
    "zero one two three four five six seven eight nine again now please soon"
).split()
NUMBER = {word: at + 1 for at, word in enumerate(WORDS)}
UNIT_NS = 40_000
"""Alignments count in 1/25000 s."""


def read(path):
    """[(start ns, end ns, class)] of a `.align` file, silences left out."""
    rows = [line.split() for line in Path(path).read_text().splitlines()]
    return [(int(a) * UNIT_NS, int(b) * UNIT_NS, NUMBER[w]) for a, b, w in rows if w not in ("sil", "sp")]
