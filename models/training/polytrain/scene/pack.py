# SPDX-License-Identifier: Apache-2.0
"""Packs all pictures into one file of 128x128 JPEGs of one and the same encoder, so that no source gives itself away, and lists
them: `pictures.bin`, `pictures.tsv` (name, class, part, offset, bytes)."""

import argparse
import csv
import hashlib
from pathlib import Path

import av
import cv2
import numpy as np

from .graphics import paint
from .groups import NONE

SIDE, QUALITY = 128, 90
# Pictures that show no scene: painted ones, and frames of people who talk into a camera, by person.
PAINTED, FRAMES = 3000, 4
INTEL = ("buildings", "forest", "glacier", "mountain", "sea", "street")


def squeezed(picture):
    """The whole picture as a square, as MiniPlaces has been made, and as the product does it."""
    grow = max(picture.shape[:2]) < SIDE
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR if grow else cv2.INTER_AREA)


def half(name):
    """Which half of the validation pictures: to choose and calibrate with, or the test, opened once."""
    return "choose" if hashlib.sha256(name.encode()).digest()[0] & 1 else "test"


def miniplaces(folder):
    for part in ("train", "val"):
        lines = [line.split() for line in (folder / f"{part}.txt").read_text().splitlines() if line]
        if part == "train":
            names = {int(label): "-".join(path.split("/")[2:-1]) for path, label in lines}
        for path, label in lines:
            yield path, names[int(label)], part if part == "train" else half(path), cv2.imread(str(folder / "images" / path))


def likeness(picture):
    """64 bits: which of two neighbouring cells is brighter (a difference hash)."""
    small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1]).view(np.uint64)[0]


def intel(folder):
    """Without what is there twice: within 5 of 64 bits of a picture that came before; tests come first."""
    seen = np.zeros(0, np.uint64)
    left_out = 0
    for part in ("test", "train"):
        for label in INTEL:
            for path in sorted((folder / part / label).glob("*.jpg")):
                picture = cv2.imread(str(path))
                mark = likeness(picture)
                if len(seen) and np.bitwise_count(seen ^ mark).min() <= 5:
                    left_out += 1
                    continue
                seen = np.append(seen, mark)
                yield f"intel/{part}/{label}/{path.name}", f"intel/{label}", "intel-test" if part == "test" else "train", picture
    print("Intel pictures left out, being there twice:", left_out, flush=True)


def fifteen(folder):
    for path in sorted((folder / "data/test").glob("*/*.jpg")):
        yield f"fifteen/{path.parent.name}/{path.name}", path.parent.name, "fifteen", cv2.imread(str(path))


def talking(folder):
    with (folder / "sound.tsv").open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["fold"] == "train"]
    for row in rows:
        path = folder / "clips" / row["file"]
        if not path.exists():
            continue
        with av.open(str(path)) as clip:
            stream = clip.streams.video[0]
            stream.thread_count = 1
            stream.codec_context.skip_frame = "NONKEY"
            for at, frame in zip(range(FRAMES), clip.decode(stream)):
                yield f"talk/{row['file']}/{at}", NONE, "train", frame.to_ndarray(format="bgr24")


def painted(seed):
    rng = np.random.default_rng(seed)
    for at in range(PAINTED):
        yield f"painted/{at}", NONE, "train" if at % 10 else "choose", paint(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--miniplaces", type=Path, required=True)
    parser.add_argument("--intel", type=Path, required=True)
    parser.add_argument("--fifteen", type=Path, required=True)
    parser.add_argument("--talk", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    sources = (painted(args.seed), talking(args.talk), intel(args.intel), fifteen(args.fifteen), miniplaces(args.miniplaces))
    at, count = 0, {}
    with (args.out / "pictures.bin").open("wb") as pictures, (args.out / "pictures.tsv").open("w") as rows:
        print("name", "class", "part", "offset", "bytes", sep="\t", file=rows)
        for source in sources:
            for name, label, part, picture in source:
                if picture is None:
                    print("not read:", name, flush=True)
                    continue
                data = cv2.imencode(".jpg", squeezed(picture), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
                pictures.write(data)
                print(name, label, part, at, len(data), sep="\t", file=rows)
                at += len(data)
                key = name.split("/")[0] + " " + part
                count[key] = count.get(key, 0) + 1
    print(count)


if __name__ == "__main__":
    main()
