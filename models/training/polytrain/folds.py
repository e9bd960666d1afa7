# SPDX-License-Identifier: Apache-2.0
"""Person folds of DFDC: no actor ids are published, so persons are clusters of face embeddings.

Clusters at a distance of 0.40 join whatever is that close to any member (single linkage: merge rather than split), and
clusters whose means are close are one person too. What then stands almost alone is a picture too dark, blurred or
averted to tell who it shows: by eye, most such pictures had a brother in another fold. They are `stray` and used for
nothing. A fake belongs to its original. 80 % of the rest train, 10 % calibrate, 10 % test; only names are written.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from . import dfdc

CLOSE = 0.40
# Means of two clusters of one person lie closer than single pictures do.
CLOSE_MEANS = 0.43
# Clusters of fewer pictures are strays: DFDC filmed each person some fifty times.
FEWEST = 8
# Crops of clips that are shown one by one in the test; their persons are in training, which the report says.
CLIPS = ("lynaeydofd", "ybqmttnept")
TEST, CALIBRATION = 0.1, 0.1
COLUMNS = 10


def clusters(vectors, close=CLOSE):
    """The cluster of each vector, by connected components of the pairs closer than `close`."""
    count, rows, columns = len(vectors), [], []
    squares = (vectors**2).sum(1)
    for at in range(0, count, 2000):
        part = vectors[at : at + 2000]
        distance = squares[at : at + 2000, None] + squares[None] - 2 * part @ vectors.T
        row, column = np.nonzero(distance < close**2)
        rows.append(row + at)
        columns.append(column)
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    _, labels = connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count)), directed=False)
    return labels


def persons(vectors):
    """The person of each vector: clusters, joined where their means are close."""
    labels = clusters(vectors)
    ids, sizes = np.unique(labels, return_counts=True)
    big = ids[sizes >= FEWEST]
    means = np.stack([vectors[labels == each].mean(0) for each in big])
    joined = clusters(means, CLOSE_MEANS)
    for person in np.unique(joined):
        same = big[joined == person]
        labels[np.isin(labels, same)] = same[0]
    return labels


def split(labels, seed=7):
    """`train`, `calibration`, `test` or `stray` for each cluster: whole clusters, the biggest to training."""
    rng = np.random.default_rng(seed)
    ids, sizes = np.unique(labels, return_counts=True)
    fold = {each: "stray" for each in ids[sizes < FEWEST]}
    ids, sizes = ids[sizes >= FEWEST], sizes[sizes >= FEWEST]
    room = {"test": TEST * sizes.sum(), "calibration": CALIBRATION * sizes.sum()}
    for at in rng.permutation(len(ids)):
        # A cluster that would fill a fold alone says nothing about strangers.
        small = sizes[at] <= 0.02 * sizes.sum()
        name = next((name for name, left in room.items() if small and left >= sizes[at]), "train")
        if name != "train":
            room[name] -= sizes[at]
        fold[ids[at]] = name
    return fold


def nearest_across(vectors, folds, count):
    """The nearest pairs of two folds, one of them not training: `(distance, i, j)`."""
    found = []
    for at in np.flatnonzero((folds == "test") | (folds == "calibration")):
        distance = np.linalg.norm(vectors - vectors[at], axis=1)
        distance[(folds == folds[at]) | (folds == "stray")] = 9
        other = int(distance.argmin())
        found.append((float(distance[other]), int(at), other))
    return sorted(found)[:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dfdc", type=Path, required=True, help=dfdc.LAYOUT)
    parser.add_argument("--embeddings", type=Path, nargs="+", required=True, help="what polytrain.embed wrote")
    parser.add_argument("--out", type=Path, required=True, help="folds.tsv: original's name, person, fold")
    parser.add_argument("--sheet", type=Path, help="picture of the 50 nearest pairs of two folds, to look at")
    args = parser.parse_args()
    parts = [np.load(path) for path in args.embeddings]
    names = np.concatenate([part["names"] for part in parts])
    vectors = np.concatenate([part["vectors"] for part in parts])
    labels = persons(vectors)
    fold_of = split(labels)
    folds = np.array([fold_of[label] for label in labels])
    folds[np.isin(names, CLIPS)] = "stray"
    order = np.argsort(names)
    with open(args.out, "w", encoding="utf-8") as out:
        out.write("# original\tperson\tfold: made by polytrain.folds; a fake belongs to its original\n")
        out.writelines(f"{names[at]}\t{labels[at]}\t{folds[at]}\n" for at in order)
    sizes = np.bincount(labels)
    print(f"{len(names)} crops, {len(sizes)} persons, the biggest with {sizes.max()}")
    for name in ("train", "calibration", "test", "stray"):
        print(f"{name}: {(folds == name).sum()} crops, {len(set(labels[folds == name]))} persons")
    pairs = nearest_across(vectors, folds, 50)
    print("nearest across folds:", " ".join(f"{distance:.2f}" for distance, _, _ in pairs[:10]))
    if args.sheet:
        small = lambda at: cv2.resize(cv2.imread(str(dfdc.picture(args.dfdc, names[at]))), (96, 96))
        tiles = [np.hstack([small(i), small(j)]) for _, i, j in pairs]
        rows = [np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)]
        cv2.imwrite(str(args.sheet), np.vstack(rows))


def read(path: Path):
    """`({original: fold}, {original: person})`."""
    rows = [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {row[0]: row[2] for row in rows}, {row[0]: row[1] for row in rows}


if __name__ == "__main__":
    main()
