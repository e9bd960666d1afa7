# SPDX-License-Identifier: Apache-2.0
"""What synthesisers are made to say: sentences of GRID's grammar, and read text."""

import random

GRID = (
    ("bin", "lay", "place", "set"), ("blue", "green", "red", "white"), ("at", "by", "in", "with"),
    tuple("abcdefghijklmnopqrstuvxyz"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)


def grid_sentences(seed, count):
    draw = random.Random(seed)
    return [" ".join(draw.choice(words) for words in GRID) for _ in range(count)]


def read_sentences(transcript, seed, count, train):
    """Phrases of 5 to 16 words out of LJ Speech's `transcript.csv`; odd lines for training, even ones for the tests."""
    draw = random.Random(seed)
    lines = [line.split("|")[-1].strip() for line in open(transcript, encoding="utf-8")]
    texts = [" ".join(line.split()[:draw.randint(6, 14)]).rstrip(",;:.") + "." for line in lines[int(train)::2]]
    texts = [text for text in texts if text.count(" ") >= 4]
    return [draw.choice(texts) for _ in range(count)]
