# SPDX-License-Identifier: Apache-2.0
"""Plants incidents in a programme of genuine clips, and says which of them `polygraph analyze` found.

    planted.py assemble --people PERSON=CLIP... --voices FOLDER --blazeface ONNX --out FOLDER [--genuine PERSON=CLIP...]
    polygraph analyze FOLDER/programme.mp4 --out FOLDER/found --rules FOLDER/rules.toml
    planted.py score FOLDER --out planted.json

Of each person two clips (or one twice) make a segment of some six seconds. Planted are, by turns: `picture` (a mouth or a face
cloned onto another, ways that are never trained on), `mismatch` (another person's sound), `voice` (a synthesiser's) and
`still` (the person's own sound to a still portrait: somebody speaks, and visibly nobody). A genuine segment goes before each.
The truth is beside the programme, in planted.csv.
"""

import argparse
import csv
import json
import subprocess
from pathlib import Path

import numpy as np

from .blazeface import BlazeFace
from .extract import frames_of
from .manipulate import manipulate
from .testset import found_points

FPS, SIZE = 25, (360, 288)
COLUMNS = ("start", "end", "person", "planted", "how", "first")
# What is planted, by turns; the first three are named as the parts that have to lead.
KINDS = ("picture", "mismatch", "voice", "still")
# The limit, from the beginning of what was planted.
SECONDS = 2.0
RULES = """# What a still portrait that speaks has to be found by.
[[rule]]
name = "still"
about = "stream"
when = 'no_visible_speech'
for = "1s"
message = "somebody speaks, and visibly nobody"
"""


class People:
    """Clips by person, and what is known of each."""

    def __init__(self, given, blazeface):
        self.clips, self.blazeface, self.known = {}, BlazeFace(blazeface), {}
        for pair in given:
            person, path = pair.split("=", 1)
            paths = sorted(Path(path).glob("*.mpg")) if Path(path).is_dir() else [Path(path)]
            self.clips.setdefault(person, []).extend(paths)

    def pictures(self, clip):
        """Pictures and the face's points; None where no face is seen."""
        if clip not in self.known:
            frames = frames_of(clip)
            self.known[clip] = (frames, found_points(self.blazeface, frames)) if frames else (None, None)
        return self.known[clip]

    def pair(self, person, chance):
        its = self.clips[person]
        return [its[at] for at in chance.permutation(len(its))[:2]] if len(its) > 1 else its * 2


def wave(clip, rate):
    """A clip's sound as mono floats."""
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-vn", "-ac", "1", "-ar", str(rate), "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32)


def sound(clips, seconds):
    """Mono floats at 16 kHz, padded or cut to so long."""
    whole = np.concatenate([wave(clip, 16000) for clip in clips])
    count = round(seconds * 16000)
    return np.pad(whole[:count], (0, max(0, count - len(whole))))


def mixed(people, person, pair, kind, chance):
    """The pair's pictures, each with a part of another face; None where a face is not found."""
    others = [name for name in people.clips if name != person]
    out = []
    for clip in pair:
        frames, points = people.pictures(clip)
        if kind == "poisson-face":
            donor = people.clips[others[chance.integers(len(others))]][0]
        else:
            donor = ([one for one in people.clips[person] if one != clip] or [clip])[0]
        its, its_points = people.pictures(donor)
        if points is None or its_points is None:
            return None
        turn = chance.integers(5, 30)
        for at, frame in enumerate(frames):
            there = (at + turn) % len(its)
            out.append(manipulate(kind, frame, points[at], its[there], its_points[there]))
    return out


def plant(people, person, pair, what, voices, chance):
    """Of a pair of clips: pictures, sound and how it was made; None where it could not be."""
    pictures = [frame for clip in pair for frame in people.pictures(clip)[0]]
    seconds = len(pictures) / FPS
    own = lambda: sound(pair, seconds)
    if what == "genuine":
        return pictures, own(), ""
    if what == "picture":
        kind = ("mouth-transplant", "poisson-face")[chance.integers(2)]
        pictures = mixed(people, person, pair, kind, chance)
        return None if pictures is None else (pictures, own(), kind)
    if what == "mismatch":
        others = [name for name in people.clips if name != person]
        other = others[chance.integers(len(others))]
        return pictures, sound(people.pair(other, chance), seconds), f"sound of {other}"
    if what == "voice":
        voice = voices[chance.integers(len(voices))]
        return pictures, sound([voice], seconds), f"kokoro {voice.stem}"
    return [pictures[len(pictures) // 4]] * len(pictures), own(), "still"


def encode(pictures, heard, to):
    """One segment, of a broadcast's rates."""
    raw, pcm = to.with_suffix(".rgb"), to.with_suffix(".f32")
    height, width = pictures[0].shape[:2]
    raw.write_bytes(b"".join(np.ascontiguousarray(frame).tobytes() for frame in pictures))
    pcm.write_bytes(heard.astype(np.float32).tobytes())
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS), "-i", str(raw)]
    command += ["-f", "f32le", "-ar", "16000", "-ac", "1", "-i", str(pcm), "-vf", f"scale={SIZE[0]}:{SIZE[1]}", "-pix_fmt", "yuv420p"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "pcm_s16le", "-shortest", str(to)]
    subprocess.run(command, check=True)
    raw.unlink(), pcm.unlink()


def assemble(args):
    chance = np.random.default_rng(args.seed)
    people, more = People(args.people, args.blazeface), People(args.genuine, args.blazeface)
    voices = sorted(args.voices.glob("*.wav"))
    args.out.mkdir(parents=True, exist_ok=True)
    names = list(people.clips)
    # Each clip of those who are only here to be genuine is used once; then the others are shown as they are.
    spare = [(more, name, [clip, its[at + 1]]) for name, its in more.clips.items() for at, clip in enumerate(its[:-1]) if at % 2 == 0]
    rows, parts, now, seen = [], [], 0.0, set()
    for number in range(args.count):
        what = KINDS[number % len(KINDS)]
        order = [names[at] for at in chance.permutation(len(names))]
        before = spare.pop(0) if spare else (people, order[0], None)
        for whose, person, which, planted in ((*before, "genuine"), (people, order[1], None, what)):
            pair = which or whose.pair(person, chance)
            made = plant(whose, person, pair, planted, voices, chance)
            if made is None:
                continue
            to = args.out / f"part-{len(parts):03}.mkv"
            encode(made[0], made[1], to)
            seconds = len(made[0]) / FPS
            # What is shown again says nothing new about false alarms.
            fresh = planted != "genuine" or not seen.intersection(pair)
            rows.append((f"{now:.3f}", f"{now + seconds:.3f}", person, planted, made[2], int(fresh)))
            if planted == "genuine":
                seen.update(pair)
            now += seconds
            parts.append(to)
        more.known.clear()
    with open(args.out / "planted.csv", "w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([COLUMNS, *rows])
    (args.out / "rules.toml").write_text(RULES, encoding="utf-8")
    listed = args.out / "parts.txt"
    listed.write_text("".join(f"file '{part.name}'\n" for part in parts), encoding="utf-8")
    command = ["ffmpeg", "-v", "error", "-y", "-f", "concat", "-i", str(listed), "-c:v", "copy", "-c:a", "aac", "-b:a", "96k"]
    subprocess.run([*command, str(args.out / "programme.mp4")], check=True)
    for part in parts:
        part.unlink()
    print(f"{args.out}/programme.mp4: {now / 60:.1f} minutes, {sum(row[3] != 'genuine' for row in rows)} planted")


def wilson(found, count):
    """The 95 % interval of a share."""
    if count == 0:
        return [0.0, 1.0]
    z, share = 1.96, found / count
    middle, half = share + z * z / (2 * count), z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [round(float((middle + sign * half) / (1 + z * z / count)), 3) for sign in (-1, 1)]


def opened(folder):
    """The incidents as they opened."""
    for line in open(folder / "found" / "events.ndjson", encoding="utf-8"):
        event = json.loads(line)
        data = event["data"]
        if event["type"] == "io.polygraph.incident.v1" and data["state"] == "open":
            yield data


def score(args):
    """What was found of each kind, when, and by which part; what was told of genuine segments."""
    with open(args.folder / "planted.csv", newline="", encoding="utf-8") as table:
        rows = [{**row, "start": float(row["start"]), "end": float(row["end"])} for row in csv.DictReader(table)]
    incidents = [(about["pts_ns"] / 1e9, *led(about)) for about in opened(args.folder)]
    told, false = {}, []
    for row in rows:
        its = [(at - row["start"], part, kind) for at, part, kind in incidents if row["start"] <= at < row["end"]]
        if row["planted"] == "genuine":
            if row["first"] == "1":
                false += [{"person": row["person"], "after": round(at, 2), "part": part, "kind": kind} for at, part, kind in its]
            continue
        right = [at for at, part, _ in its if part == row["planted"]]
        mine = told.setdefault(row["planted"], {"planted": 0, "found": 0, "right": 0, "right_in_2s": 0, "after": [], "parts": {}})
        mine["planted"] += 1
        mine["found"] += bool(its)
        mine["right"] += bool(right)
        mine["right_in_2s"] += any(at <= SECONDS for at in right)
        mine["after"] += [round(right[0], 2)] if right else []
        for part in {part for _, part, _ in its}:
            mine["parts"][part] = mine["parts"].get(part, 0) + 1
    for mine in told.values():
        for name in ("found", "right", "right_in_2s"):
            mine[f"{name}_interval"] = wilson(mine[name], mine["planted"])
        after = mine.pop("after")
        mine["median_after"] = float(np.median(after)) if after else None
    genuine = [row for row in rows if row["planted"] == "genuine" and row["first"] == "1"]
    minutes = sum(row["end"] - row["start"] for row in genuine) / 60
    result = {
        "planted": told,
        "genuine": {
            "segments": len(genuine), "minutes": round(minutes, 2), "people": len({row["person"] for row in genuine}),
            "incidents": len(false), "by": false,
            # Exact for a Poisson count: half the 97.5 % point of chi square with twice as many degrees and two.
            "per_minute_upper": round(poisson_upper(len(false)) / minutes, 3),
        },
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def poisson_upper(count):
    """The upper end of the 95 % interval of a Poisson count's mean (Garwood, 1936), by bisection."""
    low, high = float(count), count + 10 * np.sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        terms = np.cumsum(np.log(np.concatenate([[1.0], middle / np.arange(1, count + 1)])))
        low, high = (middle, high) if np.exp(terms - middle).sum() > 0.025 else (low, middle)
    return high


def led(incident):
    """The leading part and what kind of incident it is."""
    if incident.get("rule") == "still":
        return "still", "rule"
    return incident.get("leading") or "none", incident["kind"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("assemble")
    make.add_argument("--people", nargs="+", required=True)
    make.add_argument("--genuine", nargs="*", default=[])
    make.add_argument("--voices", type=Path, required=True)
    make.add_argument("--blazeface", type=Path, required=True)
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("--count", type=int, default=100)
    make.add_argument("--seed", type=int, default=1)
    make.set_defaults(run=assemble)
    judge = commands.add_parser("score")
    judge.add_argument("folder", type=Path)
    judge.add_argument("--out", type=Path, required=True)
    judge.set_defaults(run=score)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
