# SPDX-License-Identifier: Apache-2.0
"""The classes of the data sets and the groups that the product names: `folds/scenes.tsv` is the one table."""

import csv
from pathlib import Path

import numpy as np

FOLDS = Path(__file__).resolve().parents[2] / "folds"
NONE = "none"

with (FOLDS / "scenes.tsv").open() as file:
    ROWS = list(csv.DictReader(file, delimiter="\t"))

CLASSES = [row["class"] for row in ROWS]
GROUPS = list(dict.fromkeys(row["group"] for row in sorted(ROWS, key=lambda row: (row["group"] == NONE, row["group"]))))
GROUP_OF = np.array([GROUPS.index(row["group"]) for row in ROWS])
INDOOR = np.array([row["place"] == "indoor" for row in ROWS])
OUTDOOR = np.array([row["place"] == "outdoor" for row in ROWS])
