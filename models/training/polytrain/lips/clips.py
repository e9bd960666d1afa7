# SPDX-License-Identifier: Apache-2.0
"""Clips as `polygraph senses` cuts them: mouths and sound on one grid of 25 steps a second."""

import json
from pathlib import Path

import numpy as np

SIDE = 48
STEP_NS = 40_000_000
STEP = 640
"""Samples of a step, at 16 kHz."""


class Clip:
    """One track of a clip: `mouths` `[T,48,48]` bytes, `sound` `[T*640]` floats, `speech` `[T]` probabilities."""

    def __init__(self, name, person, mouths, sound, speech, first):
        self.name, self.person, self.mouths, self.sound, self.speech, self.first = name, person, mouths, sound, speech, first

    def __len__(self):
        return len(self.mouths)


def read(stem, person, least=50, late=0):
    """The tracks of `stem.json`, cut where mouths are missing; pieces shorter than `least` steps are left out. The sound is taken from `late`
    steps later, for a clip in which it comes that much late."""
    stem = Path(stem)
    about = json.loads(stem.with_name(stem.name + ".json").read_text())
    sound = np.fromfile(stem.with_name(stem.name + ".sound"), "<f4")
    if about["sound_start_ns"] is None or not len(sound):
        return []
    pixels = np.fromfile(stem.with_name(stem.name + ".mouths"), np.uint8).reshape(-1, SIDE, SIDE)
    speech = np.array(about["speech"], dtype=float).reshape(-1, 2)
    clips = []
    for track, seen in about["mouths"].items():
        for first, numbers in pieces(np.array(seen)):
            if len(numbers) >= least:
                heard, spoken = at(sound, about["sound_start_ns"], first + late, len(numbers)), active(speech, first + late, len(numbers))
                clips.append(Clip(f"{stem.name}.{track}", person, pixels[numbers], heard, spoken, first))
    return clips


def pieces(seen):
    """(first step, numbers of the mouths) of pieces without holes: each step takes the nearest mouth within 25 ms."""
    times, numbers = seen[:, 0], seen[:, 1]
    steps = np.arange(-(-times[0] // STEP_NS), times[-1] // STEP_NS + 1)
    after = np.searchsorted(times, steps * STEP_NS).clip(1, max(len(times) - 1, 1))
    before = after - 1
    if len(times) == 1:
        return []
    near = np.where(times[after] - steps * STEP_NS < steps * STEP_NS - times[before], after, before)
    good = np.abs(times[near] - steps * STEP_NS) <= 25_000_000
    found, start = [], 0
    for end in range(len(steps) + 1):
        if end == len(steps) or not good[end]:
            if end > start:
                found.append((int(steps[start]), numbers[near[start:end]]))
            start = end + 1
    return found


def at(sound, sound_start_ns, first, count):
    """The sound of `count` steps from step `first`; silence where there is none."""
    begin = round((first * STEP_NS - sound_start_ns) * 16 / 1e6)
    out = np.zeros(count * STEP, np.float32)
    low, high = max(begin, 0), min(begin + len(out), len(sound))
    if high > low:
        out[low - begin : high - begin] = sound[low:high]
    return out


def active(speech, first, count):
    """Speech probability of each step, from windows of 32 ms."""
    out = np.zeros(count, np.float32)
    if len(speech):
        middle = (first + np.arange(count) + 0.5) * STEP_NS
        out[:] = speech[np.abs(speech[:, 0][None] + 16e6 - middle[:, None]).argmin(1), 1]
    return out


def grid(folder, positions):
    """GRID speaker 1 by sorted position modulo 10. The folder lacks the reserved position 3, so names say positions."""
    names = [line.split() for line in (Path(folder) / "positions.txt").read_text().splitlines()]
    return [clip for position, name in names if int(position) in positions for clip in read(Path(folder) / name, "grid-1")]


def people(folder, listing, fold):
    """Clips of the people of a list (file, person, fold, ...; tab-separated with a header) that are of a fold."""
    found = []
    rows = [line.rstrip("\n").split("\t") for line in Path(listing).read_text().splitlines()]
    head = {name: at for at, name in enumerate(rows[0])}
    for row in rows[1:]:
        stem = Path(folder) / Path(row[head["file"]]).stem
        if row[head["fold"]] == fold and row[head["usable"]] == "1" and stem.with_name(stem.name + ".json").exists():
            found += read(stem, row[head["person"]], 60, int(row[head["late_steps"]]))
    return found
