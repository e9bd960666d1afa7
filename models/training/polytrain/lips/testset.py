# SPDX-License-Identifier: Apache-2.0
"""Makes the folder that `polygraph eval` measures lip-sync on: GRID clips that training never saw, with their own sound, with
sound shifted and swapped within the same person, pairs of faces, and a portrait under voices."""

import argparse
import csv
import shutil
import subprocess
from pathlib import Path

SHIFTS = (-320, -200, -120, -80, 80, 120, 200, 320)
"""ms by which the sound is late."""
PEOPLE = {"id2_vcd_swwp2s": "id2", "pwij3p": "id2"}
"""Clips of the loose ones that show the same person, by eye."""
SPEAKER_1 = {"bbaf2n"}


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def kept(clip, out):
    """A clip, in the folder; its name there."""
    shutil.copy(clip, out / clip.name)
    return clip.name


def others(folder):
    """(person, clip) of the other speakers: a folder's name is its person, but for the loose ones, who differ."""
    found = {}
    for clip in sorted(folder.rglob("*.mpg")):
        person = clip.parent.name if clip.parent.name.startswith("s") else PEOPLE.get(clip.stem, clip.stem)
        if clip.stem not in SPEAKER_1:
            found.setdefault(person, []).append(clip)
    return found


def rows_of(corpus, people, out):
    """Genuine, shifted and swapped rows."""
    rows = []
    for person, clips in people.items():
        names = [kept(clip, out) for clip in clips]
        for at, name in enumerate(names):
            rows.append((name, name, 0, person, corpus, "genuine"))
            rows.append((name, name, SHIFTS[(at + len(person)) % len(SHIFTS)], person, f"{corpus}-shifted", "genuine"))
            if len(names) > 1:
                rows.append((name, names[(at + 1) % len(names)], 0, person, corpus, "swapped"))
    return rows


def pairs(first, second, out, corpus, count):
    """Two people side by side; the one who speaks is in `first`, by turns at the left and at the right."""
    rows = []
    for at in range(count):
        (person, speaker), (_, silent) = first[at % len(first)], second[(7 * at) % len(second)]
        left = at % 2 == 0
        name = f"{corpus}.{at}.mp4"
        if not (out / name).exists():
            sides = (speaker, silent) if left else (silent, speaker)
            ffmpeg("-i", sides[0], "-i", sides[1], "-filter_complex", "hstack=inputs=2:shortest=1", "-an", "-c:v", "libx264", "-crf", 18, "-preset", "veryfast", "-threads", 1, out / name)
        rows.append((name, kept(speaker, out), 0, person, corpus, "speaks-left" if left else "speaks-right"))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="folder of GRID speaker 1")
    parser.add_argument("--others", type=Path, required=True, help="folder of other GRID speakers")
    parser.add_argument("--portrait", type=Path, required=True)
    parser.add_argument("--voices", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    seen = [clip for at, clip in enumerate(sorted(args.grid.glob("*.mpg"))) if at % 10 == 7]
    strangers = others(args.others)
    rows = rows_of("grid-1", {"grid-1": seen}, args.out) + rows_of("grid-others", strangers, args.out)
    one, many = [("grid-1", clip) for clip in seen], [(person, clip) for person, clips in strangers.items() for clip in clips]
    rows += pairs(one, many, args.out, "pairs-grid-1", 40) + pairs(many, one, args.out, "pairs-others", 40)
    for voice in args.voices:
        name = f"portrait.{voice.stem}.mp4"
        ffmpeg("-loop", 1, "-framerate", 25, "-i", args.portrait, "-i", voice, "-shortest", "-vf", "scale=640:-2", "-c:v", "libx264", "-crf", 23, "-pix_fmt", "yuv420p", "-threads", 1, "-c:a", "aac", args.out / name)
        rows.append((name, name, 0, voice.stem, "portrait", "portrait"))
    with open(args.out / "lips.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("video", "sound", "offset_ms", "person", "corpus", "kind"))
        writer.writerows(rows)
    print(len(rows), "rows")


if __name__ == "__main__":
    main()
