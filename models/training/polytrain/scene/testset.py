# SPDX-License-Identifier: Apache-2.0
"""Makes the folder that `polygraph eval` reads: MiniPlaces' test half, Intel's test part, the 15-scene pictures as they are, and black,
bars, text and graphics by other programs and fonts than those of training (`graphics.py`): ffmpeg's sources and Pillow."""

import argparse
import csv
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .data import Pictures
from .groups import CLASSES, FOLDS, GROUP_OF, GROUPS, NONE, ROWS

# Classes of the 15-scene pictures that a group stands for, and whether they are indoors. Those of which no like was trained on are left
# out: industrial, open country, suburb.
FIFTEEN = {
    "bedroom": ("home", "indoor"), "coast": ("coast", "outdoor"), "forest": ("forest", "outdoor"), "highway": ("road", "outdoor"),
    "insidecity": ("street|buildings", "outdoor"), "kitchen": ("kitchen", "indoor"), "livingRoom": ("home", "indoor"),
    "mountain": ("mountain", "outdoor"), "office": ("office", "indoor"), "store": ("shop", "indoor"), "street": ("street", "outdoor"),
    "tallbuilding": ("buildings", "outdoor"),
}
SOURCES = ("smptebars", "smptehdbars", "pal75bars", "pal100bars", "testsrc", "testsrc2", "rgbtestsrc", "yuvtestsrc", "colorspectrum", "color=black", "color=0x101030", "color=white")
SIZE = (640, 360)
WORDS = ("Breaking news", "Weather", "Sport", "Results", "Election", "We will be back", "No signal", "Markets", "Subtitles", "Live", "Today at nine",
         "Sendepause", "Nachrichten", "Prochainement", "Resultados", "Programme starts soon")


def bars(source, path):
    command = ["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", f"{source}{'=' if '=' not in source else ':'}size={SIZE[0]}x{SIZE[1]}"]
    subprocess.run([*command, "-frames:v", "1", "-q:v", "3", str(path)], check=True)


def colour(rng):
    return tuple(int(value) for value in rng.integers(0, 256, 3))


def ground(rng):
    """Flat, or a slope of two colours."""
    if rng.random() < 0.5:
        return Image.new("RGB", SIZE, colour(rng))
    ends = np.array([colour(rng), colour(rng)], np.float32)
    slope = np.linspace(0, 1, SIZE[0])[:, None]
    row = (ends[0] * (1 - slope) + ends[1] * slope).astype(np.uint8)
    return Image.fromarray(np.repeat(row[None], SIZE[1], 0))


def card(rng):
    picture = ground(rng)
    draw = ImageDraw.Draw(picture)
    for line in range(int(rng.integers(1, 7))):
        font = ImageFont.load_default(size=int(rng.integers(18, 70)))
        draw.text((int(rng.integers(0, 200)), 20 + 52 * line), str(rng.choice(WORDS)), font=font, fill=colour(rng))
    return picture


def chart(rng):
    picture = ground(rng)
    draw = ImageDraw.Draw(picture)
    kind, count = int(rng.integers(3)), int(rng.integers(3, 10))
    values = rng.integers(20, 260, count)
    if kind == 0:
        for at, value in enumerate(values):
            draw.rectangle((40 + 560 * at // count, 330 - int(value), 40 + 560 * at // count + 400 // count, 330), fill=colour(rng))
    elif kind == 1:
        ends = np.cumsum(values) / values.sum() * 360
        for begin, end in zip([0, *ends[:-1]], ends):
            draw.pieslice((180, 40, 460, 320), float(begin), float(end), fill=colour(rng))
    else:
        draw.line([(40 + 560 * at // count, 330 - int(value)) for at, value in enumerate(values)], fill=colour(rng), width=int(rng.integers(2, 9)))
    draw.text((30, 8), str(rng.choice(WORDS)), font=ImageFont.load_default(size=30), fill=colour(rng))
    return picture


def generated(out, seed):
    rng = np.random.default_rng(seed)
    for at, source in enumerate(SOURCES):
        bars(source, out / f"source{at}.jpg")
        yield f"source{at}.jpg", "black-bars"
    for kind, paint, count in (("text", card, 80), ("graphics", chart, 80)):
        for at in range(count):
            paint(rng).save(out / f"{kind}{at}.jpg", quality=int(rng.integers(60, 95)))
            yield f"{kind}{at}.jpg", kind


def seen():
    """Places of pictures of the four classes whose name doesn't say them (a market may have a roof), told by eye without a look at what any network says
    of them. What an eye can't tell, as of fish in water, has no place."""
    with (FOLDS / "places.tsv").open() as file:
        return {row["name"]: row["place"] for row in csv.DictReader(file, delimiter="\t")}


def packed(pictures, part, corpus, out):
    """Pictures as they were packed, byte by byte."""
    data, by_eye = Pictures(pictures, part), seen()
    for row, label in zip(data.rows, data.label):
        if GROUPS[GROUP_OF[label]] == NONE:
            continue
        name = row["name"].replace("/", "_")
        begin = int(row["offset"])
        (out / name).write_bytes(bytes(data.file[begin : begin + int(row["bytes"])]))
        place = by_eye.get(row["name"], ROWS[label]["place"])
        yield name, GROUPS[GROUP_OF[label]], "" if place == "unknown" else place, corpus


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="what pack wrote")
    parser.add_argument("--fifteen", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    assert len(CLASSES) == len(ROWS)
    lines = [*packed(args.pictures, "test", "miniplaces", args.out), *packed(args.pictures, "intel-test", "intel", args.out)]
    for name, (label, place) in FIFTEEN.items():
        for path in sorted((args.fifteen / "data/test" / name).glob("*.jpg")):
            copy = f"fifteen_{name}_{path.name}"
            (args.out / copy).write_bytes(path.read_bytes())
            lines.append((copy, label, place, "fifteen"))
    lines += [(name, NONE, "", corpus) for name, corpus in generated(args.out, args.seed)]
    with (args.out / "scenes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "place", "corpus"))
        writer.writerows(lines)
    print(len(lines), "stills")


if __name__ == "__main__":
    main()
