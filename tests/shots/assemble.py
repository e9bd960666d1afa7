#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Assembles a programme of many shots, with every boundary known, to measure shot detection.

    assemble.py --clips LIST --stills FOLDER --seed N --boundaries N --out programme.mp4

LIST has the paths of clips that hold one shot each, a line each. The programme has cuts, dissolves, fades through black and
wipes, and what must not count as one: flashes, fast pans and zooms, and, with --interlaced, fields of different moments. The
truth goes beside it, as programme.csv: kind, start and end in seconds; a boundary's end is the first picture of the new shot
alone, and a cut's start is the same. Needs ffmpeg, numpy and Pillow.
"""

import argparse
import csv
import pathlib
import random
import subprocess

import numpy
from PIL import Image

WIDTH, HEIGHT = 320, 180
# Cuts are what most boundaries of programmes are.
KINDS = ["cut"] * 6 + ["dissolve"] * 2 + ["fade", "wipe"]


def clip(path, seconds, fps, chance):
    """So much of a clip, or None where it is shorter."""
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
    length = float(subprocess.run(probe, capture_output=True, text=True).stdout.strip() or 0)
    if length < seconds + 0.5:
        return None
    start = chance.uniform(0.2, length - seconds - 0.2)
    scale = f"fps={fps},scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=increase,crop={WIDTH}:{HEIGHT}"
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-ss", f"{start:.3f}", "-t", f"{seconds:.3f}", "-i", path]
    command += ["-an", "-vf", scale, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True).stdout
    return numpy.frombuffer(raw, numpy.uint8).reshape(-1, HEIGHT, WIDTH, 3)


def still(path, count, fps, chance):
    """A picture with a camera that moves over it: slowly, or in a pan of a picture's width in a third of a second or more."""
    picture = Image.open(path).convert("RGB")
    fast = chance.random() < 0.4
    scale = 2.2 if fast else 1.35
    picture = picture.resize((int(WIDTH * scale), int(HEIGHT * scale * 1.1)), Image.BICUBIC)
    room = (picture.width - WIDTH, picture.height - HEIGHT)
    begin, end = [(chance.uniform(0, room[0]), chance.uniform(0, room[1])) for _ in range(2)]
    if fast:
        begin, end = (chance.choice([0, room[0]]), begin[1]), (room[0] / 2, begin[1])
        end = (room[0] - begin[0], end[1])
    turn, pan = chance.uniform(0.2, 0.5) * count, fps * chance.uniform(0.4, 0.9)
    frames = []
    for index in range(count):
        part = min(max((index - turn) / pan, 0), 1) if fast else index / max(count - 1, 1)
        left, top = [a + (b - a) * part for a, b in zip(begin, end)]
        box = (left, top, left + WIDTH, top + HEIGHT)
        frames.append(numpy.asarray(picture.transform((WIDTH, HEIGHT), Image.EXTENT, box, Image.BILINEAR)))
    return numpy.stack(frames)


def flash(frames, fps, chance):
    """A photographer's flash somewhere in the shot, of one to three pictures, or two of them."""
    frames = frames.astype(numpy.float32)
    for _ in range(chance.choice([1, 1, 2])):
        at, strength = chance.randrange(len(frames) // 4, len(frames) * 3 // 4), chance.uniform(0.6, 1.0)
        for index in range(chance.randint(1, 3) * fps // 25):
            if at + index < len(frames):
                light = strength * 0.6**index
                frames[at + index] = frames[at + index] * (1 - light) + 255 * light
    return frames.clip(0, 255).astype(numpy.uint8)


def join(kind, old, new, fps, chance):
    """The pictures of a transition between the end of a shot and the beginning of the next, both as long as it."""
    count = len(old)
    part = ((numpy.arange(count) + 1) / (count + 1)).astype(numpy.float32)
    if kind == "dissolve":
        mix = part[:, None, None, None]
        return (old * (1 - mix) + new * mix).astype(numpy.uint8)
    if kind == "fade":
        out = numpy.clip(1 - part * 2.2, 0, 1)[:, None, None, None]
        into = numpy.clip(part * 2.2 - 1.2, 0, 1)[:, None, None, None]
        return (old * out + new * into).astype(numpy.uint8)
    frames, way = old.copy(), chance.randrange(4)
    for index in range(count):
        across, down = int(part[index] * WIDTH), int(part[index] * HEIGHT)
        where = [
            numpy.s_[:, :across],
            numpy.s_[:, WIDTH - across :],
            numpy.s_[:down, :],
            numpy.s_[HEIGHT - down :, :],
        ][way]
        frames[index][where] = new[index][where]
    return frames


def shot(sources, count, fps, chance):
    """A shot of so many pictures."""
    clips, stills = sources
    while True:
        if stills and chance.random() < 0.35:
            frames = still(chance.choice(stills), count, fps, chance)
        else:
            frames = clip(chance.choice(clips), count / fps + 0.1, fps, chance)
        if frames is None or len(frames) < count:
            continue
        return flash(frames[:count], fps, chance) if chance.random() < 0.15 else frames[:count]


def length(kind, fps, chance):
    """How many pictures a transition has."""
    least, most = {"cut": (0, 0), "dissolve": (8, 30), "fade": (16, 40), "wipe": (10, 25)}[kind]
    return chance.randint(least, most) * fps // 25


def encoder(arguments, fps):
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(fps)]
    command += ["-i", "-", "-pix_fmt", "yuv420p", "-threads", "1"]
    if arguments.interlaced:
        command += ["-vf", "tinterlace=interleave_top", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "1500k"]
    else:
        command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(arguments.crf)]
    return subprocess.Popen(command + [arguments.out], stdin=subprocess.PIPE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--stills")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--boundaries", type=int, required=True)
    parser.add_argument("--crf", type=int, default=27)
    parser.add_argument("--interlaced", action="store_true")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    clips = pathlib.Path(arguments.clips).read_text().split()
    stills = sorted(pathlib.Path(arguments.stills).rglob("*.jpg")) if arguments.stills else []
    fps = 50 if arguments.interlaced else 25
    sources, boundaries = (clips, stills), []
    output = encoder(arguments, fps)
    written = 0

    def write(frames):
        nonlocal written
        output.stdin.write(numpy.ascontiguousarray(frames).tobytes())
        written += len(frames)

    # A transition's pictures belong to both shots, so each is made with as many more at either end.
    kinds = [chance.choice(KINDS) for _ in range(arguments.boundaries)]
    spans = [length(kind, fps, chance) // 2 * 2 for kind in kinds]
    now = None
    for index in range(arguments.boundaries + 1):
        before = spans[index - 1] if index else 0
        after = spans[index] if index < len(spans) else 0
        own = chance.randint(fps, 4 * fps) // 2 * 2
        frames = shot(sources, before + own + after, fps, chance)
        if now is not None:
            start = written
            if before:
                write(join(kinds[index - 1], now, frames[:before], fps, chance))
            boundaries.append((kinds[index - 1], start / fps, written / fps))
        write(frames[before : before + own])
        now = frames[before + own :]
    output.stdin.close()
    if output.wait() != 0:
        raise SystemExit("ffmpeg failed")
    # Program streams don't begin at 0.
    probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=start_time", "-of", "csv=p=0", arguments.out]
    begin = float(subprocess.run(probe, capture_output=True, text=True, check=True).stdout.split()[0].strip(","))
    truth = pathlib.Path(arguments.out).with_suffix(".csv")
    with truth.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "start_s", "end_s"])
        writer.writerows((kind, f"{begin + start:.4f}", f"{begin + end:.4f}") for kind, start, end in boundaries)


if __name__ == "__main__":
    main()
