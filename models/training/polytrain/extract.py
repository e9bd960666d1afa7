# SPDX-License-Identifier: Apache-2.0
"""Finds the faces of all training sources anew with BlazeFace, so that training sees the boxes that the product sees.

Each picture is looked at twice, at other scales and places inside of a grey canvas: a detector's box moves with both.
Writes `<out>/<source>.npz`: path, person, original ("" if genuine), and for both looks box and points in pixels of the file.
"""

import argparse
import csv
import hashlib
import re
from pathlib import Path

import av
import cv2
import numpy as np

from . import crop, dfdc, grid
from .blazeface import BlazeFace

GREY = 127
LOOKS = 2
# A picture's longer side as a part of the canvas's.
SMALLEST, LARGEST = 0.42, 0.62


def look(detector, rgb, rng):
    """The biggest face, seen inside of a canvas at a random scale and place; None where none is found."""
    height, width = rgb.shape[:2]
    side = int(max(height, width) / rng.uniform(SMALLEST, LARGEST))
    left, top = (int(rng.integers(0, room + 1)) for room in (side - width, side - height))
    canvas = np.full((side, side, 3), GREY, np.uint8)
    canvas[top : top + height, left : left + width] = rgb
    faces = detector(canvas)
    if not faces:
        return None
    _, box, points = max(faces, key=lambda face: face[1][2])
    return np.r_[box[0] - left, box[1] - top, box[2:]], points - (left, top)


def looks(detector, rgb, rng):
    """`(boxes [2,4], points [2,6,2])` of the looks that find the face whole, or None where none does."""
    height, width = rgb.shape[:2]
    found = [look(detector, rgb, rng) for _ in range(LOOKS)]
    whole = [face for face in found if face and crop.padding(crop.square(*face), width, height) <= crop.MOST_PADDING]
    if not whole:
        return None
    return tuple(np.stack([face[part] for face in (whole[0], whole[-1])]) for part in (0, 1))


def dfdc_pictures(folder, fakes_each, part):
    """`(path, person, original)` of the genuine crops and some fakes of each."""
    i, n = part
    fakes = dfdc.fakes(folder)
    for name in sorted(dfdc.genuine(folder))[i::n]:
        yield dfdc.picture(folder, name), name, ""
        rng = np.random.default_rng(hash_of(name))
        mine = fakes.get(name, [])
        for at in rng.permutation(len(mine))[:fakes_each]:
            yield dfdc.picture(folder, mine[at]), name, name


def hash_of(name):
    """The same number for the same name on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


def stills(folder):
    """Photos of many people: `(path, person)`, the person by the file's name without its number."""
    return [(path, re.sub(r"[_ ]*\d+$", "", path.stem)) for path in sorted(Path(folder).rglob("*.jp*g"))]


def still_pictures(folder, part):
    """The same, as `looks` are taken of them."""
    i, n = part
    for path, person in stills(folder)[i::n]:
        yield path, person, ""


def frames_of(clip):
    """All pictures of a clip, RGB bytes."""
    with av.open(str(clip)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def clips(folder):
    """`(path, person)` of `clips.tsv` (columns `file` and `person`): genuine clips that show one person each."""
    with open(Path(folder) / "clips.tsv", newline="", encoding="utf-8") as table:
        return [(Path(folder) / "clips" / row["file"], row["person"]) for row in csv.DictReader(table, delimiter="\t")]


def saved(clips, folder, chosen, digits):
    """Frames of `(clip, person)`, saved in `folder` as PNG; `chosen` says which, given how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip, person in clips:
        pictures = frames_of(clip)
        for at in chosen(len(pictures)).astype(int):
            path = folder / f"{clip.stem}_{at:0{digits}d}.png"
            cv2.imwrite(str(path), pictures[at][:, :, ::-1])
            yield path, person, ""


def grid_pictures(folder, out, part, each=6):
    """Frames of GRID clips at training positions, whose first and last may be grey."""
    i, n = part
    mine = [(clip, "grid-s1") for clip in grid.clips(folder, grid.TRAIN)[i::n]]
    return saved(mine, out / "grid_frames", lambda count: np.linspace(8, count - 6, each), 2)


def talk_pictures(folder, out, part, each=16):
    """Frames of clips of talking people; `clips.tsv` says who is seen."""
    i, n = part
    return saved(clips(folder)[i::n], out / "talk_frames", lambda count: np.linspace(0, count - 1, each), 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=["dfdc", "stills", "grid", "talk"])
    parser.add_argument("--folder", type=Path, required=True, help=f"dfdc: {dfdc.LAYOUT}; grid: {grid.LAYOUT}; stills: a folder of photos; talk: clips/ and clips.tsv")
    parser.add_argument("--blazeface", type=Path, required=True, help="face_detection_back_256x256_barracuda.onnx")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="name of the result (default: the source)")
    parser.add_argument("--fakes", type=int, default=2, help="dfdc: fakes for each original")
    parser.add_argument("--part", default="0/1", help="i/n, to use several cores")
    args = parser.parse_args()
    part = tuple(map(int, args.part.split("/")))
    args.out.mkdir(parents=True, exist_ok=True)
    pictures = {
        "dfdc": lambda: dfdc_pictures(args.folder, args.fakes, part),
        "stills": lambda: still_pictures(args.folder, part),
        "grid": lambda: grid_pictures(args.folder, args.out, part),
        "talk": lambda: talk_pictures(args.folder, args.out, part),
    }[args.source]()
    detector, rows, missed = BlazeFace(args.blazeface), [], 0
    for path, person, original in pictures:
        picture = cv2.imread(str(path))
        found = None
        if picture is not None:
            found = looks(detector, picture[:, :, ::-1], np.random.default_rng(hash_of(path.stem)))
        if found is None:
            missed += 1
            continue
        rows.append((str(path), person, original, *found))
    columns = list(zip(*rows))
    name = f"{args.name or args.source}.{part[0]}of{part[1]}.npz"
    np.savez(
        args.out / name,
        path=np.array(columns[0]),
        person=np.array(columns[1]),
        original=np.array(columns[2]),
        box=np.stack(columns[3]).astype("f4"),
        points=np.stack(columns[4]).astype("f4"),
    )
    print(f"{name}: {len(rows)} faces, {missed} pictures without a whole face")


if __name__ == "__main__":
    main()
