# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of stills with known text that `polygraph eval` reads: captions of made-up words, names, numbers and times over frames of
videos, in the fonts that this machine has. Nothing is trained here: the networks are PP-OCRv6's own."""

import argparse
import csv
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = (1280, 720)
# Height of the letters (em), of 720 lines.
KINDS = {"caption": (26, 56), "on-picture": (26, 56), "small": (14, 22)}
STILLS, EMPTY = 100, 60
HEADS = ("Minister", "Council", "Storm", "Markets", "Police", "Team", "Court", "Bank", "Hospital", "Airport", "Regierung", "Präsident", "Köln", "Élection", "Año nuevo")
TAILS = ("resigns after vote", "opens inquiry", "reports record losses", "wins in extra time", "warns of floods", "delays decision until Friday", "rejects the offer",
         "hebt Warnung auf", "prévoit des élections", "meets in Geneva", "returns 3 years later", "to close 40 branches")
NAMES = ("Maria Keller", "John O'Brien", "Dr. A. Nkemelu", "Zoë Martin", "Li Wei", "Jens Møller", "Correspondent, Nairobi", "Chief Economist")
SHORT = ("LIVE", "BREAKING NEWS", "Weather", "SPORT", "Replay", "Exclusive", "Results", "Eilmeldung")


def words(rng):
    """One line."""
    kind = rng.integers(5)
    if kind == 0:
        return f"{rng.choice(HEADS)} {rng.choice(TAILS)}"
    if kind == 1:
        return str(rng.choice(NAMES))
    if kind == 2:
        return f"{rng.integers(24):02}:{rng.integers(60):02}  {rng.integers(-12, 39)}°C"
    if kind == 3:
        return f"{rng.choice(HEADS)} {rng.integers(9)} - {rng.integers(9)} {rng.choice(HEADS)}"
    return str(rng.choice(SHORT))


def frames(video, rng, count):
    """Frames of a video at random moments."""
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(video)]
    seconds = float(subprocess.run(probe, capture_output=True, text=True, check=True).stdout)
    for _ in range(count):
        at = rng.uniform(0, 0.95 * seconds)
        scale = f"scale={SIZE[0]}:{SIZE[1]}:force_original_aspect_ratio=increase,crop={SIZE[0]}:{SIZE[1]}"
        command = ["ffmpeg", "-v", "error", "-ss", f"{at:.2f}", "-i", str(video), "-frames:v", "1", "-vf", scale, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run(command, capture_output=True, check=True).stdout
        if len(raw) == 3 * SIZE[0] * SIZE[1]:
            yield Image.frombytes("RGB", SIZE, raw)


def lettered(picture, kind, fonts, rng):
    """Draws one to four lines that don't touch; gives what they say."""
    draw, lines, taken = ImageDraw.Draw(picture), [], []
    for _ in range(rng.integers(1, 5)):
        font = ImageFont.truetype(str(rng.choice(fonts)), int(rng.integers(*KINDS[kind])))
        text = words(rng)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        width, height = right - left, bottom - top
        if width > SIZE[0] - 80:
            continue
        x, y = int(rng.integers(30, SIZE[0] - width - 30)), int(rng.integers(20, SIZE[1] - height - 20))
        margin = 0.8 * height
        box = (x - margin, y - margin, x + width + margin, y + height + margin)
        if any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken):
            continue
        taken.append(box)
        dark = rng.random() < 0.5
        ink, ground = ((250, 250, 250), tuple(int(v) for v in rng.integers(0, 100, 3))) if dark else ((10, 10, 10), tuple(int(v) for v in rng.integers(170, 256, 3)))
        if kind == "on-picture":
            draw.text((x - left, y - top), text, font=font, fill=ink, stroke_width=2, stroke_fill=ground)
        else:
            pad = 0.25 * height
            draw.rectangle((x - pad, y - pad, x + width + pad, y + height + pad), fill=ground)
            draw.text((x - left, y - top), text, font=font, fill=ink)
        lines.append(" ".join(text.split()))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="without text of their own")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    fonts = sorted(path for path in Path("/usr/share/fonts").rglob("*.ttf") if "Math" not in path.name)
    with (args.out / "texts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "lines", "corpus"))
        for kind in (*KINDS, "none"):
            count = STILLS if kind in KINDS else EMPTY
            each = -(-count // len(args.videos))
            for at, picture in enumerate(picture for video in args.videos for picture in frames(video, rng, each)):
                lines = lettered(picture, kind, fonts, rng) if kind in KINDS else []
                path = f"{kind}-{at}.png"
                picture.save(args.out / path)
                rows.writerow((path, "|".join(lines), kind))


if __name__ == "__main__":
    main()
