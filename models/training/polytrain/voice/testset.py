# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of voices that `polygraph eval` reads: wav files and manifest.csv.

Both classes are made alike: cut by speech activity at both ends, to lengths of one distribution, of one loudness, with one
shared room tone, the same band limits. Calibration and test, by the folds of the corpora; a copy shares its original's
stretch and draws, and is its pair. Kokoro, EmoDB, other GRID people and Moonshine's recordings are in the test only.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile

from . import corpora
from .activity import Activity
from .copies import METHODS, copy
from .damage import LEVEL, loudness, low_pass, noise
from .prepare import SHORTEST, hash_of, synthetic

RATE = 16000
# Lengths in seconds: what GRID's sentences allow.
LENGTHS = (1.4, 2.2)
BANDS = (3800.0, 5500.0, 7600.0)
# Room tone, dBFS; what a recording has itself counts towards it.
TONE_DB = (-60.0, -35.0)
FRAME = 512
COLUMNS = ("path", "label", "person", "corpus", "manipulation", "split", "pair")


def stretch(utterance, turn, activity, samples):
    """A stretch that begins and ends with speech; `None` when there is too little of it."""
    bounds = activity.bounds(samples)
    if bounds is None or bounds[2] < SHORTEST or bounds[1] - bounds[0] < LENGTHS[0] * RATE * 0.85:
        return None
    first, last, _ = bounds
    draw = np.random.default_rng(hash_of(f"test/{utterance.corpus}/{utterance.name}/{turn}"))
    length = min(last - first, int(RATE * draw.uniform(*LENGTHS)))
    start = first + int(draw.integers(0, last - first - length + 1))
    cut = activity.bounds(samples[start:start + length])
    if cut is None or cut[2] < SHORTEST + 0.032:
        return None
    return samples[start:start + cut[1]][cut[0]:]


def floor_of(wave):
    """Level of the quietest twentieth of the frames, root mean square."""
    frames = wave[:len(wave) // FRAME * FRAME].reshape(-1, FRAME)
    return float(np.percentile(np.sqrt(np.mean(frames ** 2, axis=1)), 5))


def ready(wave, seed):
    """One loudness, one band limit of three, and room tone up to a level that is drawn."""
    draw = np.random.default_rng(seed)
    band, tone, colour = draw.choice(BANDS), draw.uniform(*TONE_DB), draw.uniform(0, 2)
    wave = low_pass(loudness(wave.astype(np.float64)), band)
    wave = loudness(wave)
    wanted, has = 10 ** (tone / 20), floor_of(wave)
    added = np.sqrt(max(wanted ** 2 - has ** 2, (10 ** (TONE_DB[0] / 20)) ** 2))
    return loudness(wave + noise(len(wave), colour, draw) * added, LEVEL)


class Folder:
    def __init__(self, root):
        self.root, self.rows = root, []

    def add(self, wave, seed, name, label, person, corpus, manipulation, split, pair=""):
        path = Path(corpus if not manipulation else manipulation) / f"{name}.wav"
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(self.root / path, ready(wave, seed).astype(np.float32), RATE, subtype="PCM_16")
        self.rows.append((path.as_posix(), label, person, corpus, manipulation, split, pair))

    def close(self):
        with open(self.root / "manifest.csv", "w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([COLUMNS, *self.rows])
        print(self.root, len(self.rows), "items")


def chosen(utterances, most):
    """At most so many of each corpus and fold, spread over speakers."""
    groups = {}
    for utterance in sorted(utterances, key=lambda it: hash_of("choose" + it.corpus + it.name)):
        groups.setdefault((utterance.corpus, utterance.fold), {}).setdefault(utterance.speaker, []).append(utterance)
    for (_, fold), speakers in groups.items():
        left, queues = (most if fold == "test" else most // 2), [list(mine) for mine in speakers.values()]
        yield from turns(queues, left)


def turns(queues, left):
    while left > 0 and any(queues):
        for queue in queues:
            if queue and left > 0:
                left -= 1
                yield queue.pop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    corpora.add_folders(parser)
    parser.add_argument("--synthetic", type=Path, required=True)
    parser.add_argument("--silero", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=80, help="genuine items of each corpus in the test; half for calibration")
    args = parser.parse_args()
    activity, folder = Activity(args.silero), Folder(args.out)
    folder.root.mkdir(parents=True, exist_ok=True)
    for utterance in chosen([it for it in corpora.utterances(args) if it.fold != "train"], args.most):
        samples = corpora.read(utterance.path)
        for turn in range({"moonshine": 10, "reader": 2}.get(utterance.corpus, 1)):
            wave = stretch(utterance, turn, activity, samples)
            if wave is None:
                continue
            name, seed = f"{utterance.name}-{turn}", hash_of(f"test/{utterance.corpus}/{utterance.name}/{turn}/how")
            person, pair = f"{utterance.corpus}-{utterance.speaker}", f"{utterance.name}-{turn}"
            folder.add(wave, seed, name, "genuine", person, utterance.corpus, "", utterance.fold, pair)
            method = list(METHODS)[seed % len(METHODS)]
            made = copy(wave, METHODS[method], np.random.default_rng(seed))
            folder.add(made, seed, f"{utterance.corpus}-{name}", "manipulated", person, utterance.corpus, method,
                       utterance.fold, pair)
    kokoro = [corpora.Utterance("kokoro", clip.stem, "kokoro", "test", clip)
              for clip in sorted((args.synthetic / "kokoro").glob("*.wav"))]
    for utterance in [*kokoro, *(it for it in synthetic(args.synthetic) if it.fold != "train")]:
        samples = corpora.read(utterance.path)
        wave = stretch(utterance, 0, activity, samples)
        if wave is not None:
            seed = hash_of(f"test/{utterance.corpus}/{utterance.name}/how")
            folder.add(wave, seed, utterance.name, "manipulated", f"{utterance.corpus}-{utterance.name}",
                       utterance.corpus, utterance.corpus, utterance.fold)
    folder.close()


if __name__ == "__main__":
    main()
