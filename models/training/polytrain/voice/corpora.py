# SPDX-License-Identifier: Apache-2.0
"""Genuine speech: where it lies, who speaks, and which fold each speaker or clip is in. All is read as 16 kHz mono.

Folds are by speaker wherever a corpus has several. What is named `test` alone is trained on by nothing.
"""

import argparse
import csv
import subprocess
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from .. import grid

RATE = 16000
FOLDS = ("train", "calibration", "test")
# Clips and samples of public repositories: which file, who speaks, what synthesised it (nothing: a person), fold and source.
LISTED = Path(__file__).resolve().parents[2] / "folds" / "voices.tsv"


@dataclass(frozen=True)
class Utterance:
    """One recording: `name` is unique within its corpus."""

    corpus: str
    name: str
    speaker: str
    fold: str
    path: Path


def by_turn(at):
    """Fold of the speaker at a place of the sorted list: 7 in 10 train, 1 calibrates, 2 test."""
    return "train" if at % 10 < 7 else "calibration" if at % 10 == 7 else "test"


def grid_s1(root):
    for positions, fold in ((grid.TRAIN, "train"), (grid.CALIBRATION, "calibration"), (grid.TEST, "test")):
        for clip in grid.clips(root, positions):
            yield Utterance("grid-s1", clip.stem, "s1", fold, clip)


def grid_others(root):
    """GRID people never trained on. Speakers of the loose clips aren't told, so each clip counts as one."""
    for clip in sorted(Path(root).rglob("*.mpg")):
        if clip.stem == "bbaf2n":  # speaker 1 himself, byte by byte
            continue
        speaker = clip.parent.name if clip.parent.name.startswith("s") else clip.stem
        yield Utterance("grid-others", f"{speaker}-{clip.stem}", speaker, "test", clip)


def reader(root):
    """One reader of LJ Speech (Ito and Johnson, 2017; public domain); folds by sorted place."""
    for at, clip in enumerate(sorted(Path(root).glob("wavs/*.wav"))):
        yield Utterance("reader", clip.stem, "lj", by_turn(at), clip)


def libri(root):
    """Twenty readers of LibriSpeech dev-clean (Panayotov et al., 2015; CC BY 4.0), as `felixbastian/Speaker_partition_module`
    holds them: MP3 inside of files called wav."""
    speakers = sorted(int(folder.name) for folder in Path(root).iterdir() if folder.is_dir())
    for at, speaker in enumerate(speakers):
        for clip in sorted((Path(root) / str(speaker)).rglob("*.wav")):
            yield Utterance("libri", clip.stem, str(speaker), by_turn(at), clip)


def urdu(root):
    """Urdu talk shows (Latif et al., 2018; for research), 38 speakers."""
    clips = sorted(Path(root).glob("*/*.wav"))
    speakers = sorted({clip.stem.split("_")[0] for clip in clips})
    for clip in clips:
        speaker = clip.stem.split("_")[0]
        yield Utterance("urdu", clip.stem, speaker, by_turn(speakers.index(speaker)), clip)


def emodb(root):
    """EmoDB (Burkhardt et al., 2005), ten German actors; a name begins with the speaker's number. Test only."""
    for clip in sorted(Path(root).glob("wav/*.wav")):
        yield Utterance("emodb", clip.stem, clip.stem[:2], "test", clip)


def moonshine(root):
    """The recordings that Moonshine's package brings. Test only."""
    for clip in sorted(Path(root).glob("*.wav")):
        yield Utterance("moonshine", clip.stem, clip.stem, "test", clip)


def listed(root, kind, corpus):
    """What the list has of a kind: people when `corpus` is given, else what synthesisers said, each a corpus of its own."""
    with open(LISTED, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = Path(root) / row["file"]
            if row["kind"] == kind and bool(row["system"]) == (corpus is None) and path.exists():
                yield Utterance(corpus or row["system"], row["file"], row["speaker"], row["fold"], path)


def talk(root):
    """People who talk in clips of public repositories: `NAME.sound` of `polygraph senses`. Repositories of lip synchronisation,
    dubbing, avatars and face swaps are left out by name, for their voices may be synthetic; nobody listened to the rest."""
    return listed(root, "talk", "talk")


def demos(root):
    """Recordings beside synthetic speech on pages that show synthesisers, `<owner>+<repository>/<path>`."""
    return listed(root, "demo", "demos")


CORPORA = {
    "grid-s1": grid_s1, "grid-others": grid_others, "reader": reader, "libri": libri,
    "urdu": urdu, "emodb": emodb, "moonshine": moonshine,
    "talk": talk, "demos": demos,
}


def read(path):
    """Samples of a sound or video file: mono, 16 kHz, -1..1."""
    if Path(path).suffix == ".wav":
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        samples = samples.mean(axis=1)
        common = gcd(rate, RATE)
        return samples if rate == RATE else resample_poly(samples, RATE // common, rate // common).astype(np.float32)
    if Path(path).suffix == ".sound":
        return np.fromfile(path, np.float32)
    call = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(call, capture_output=True, check=True).stdout, dtype=np.float32)


def add_folders(parser: argparse.ArgumentParser):
    for name in CORPORA:
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER", help=CORPORA[name].__doc__)


def utterances(arguments):
    """All utterances of the corpora whose folders were given."""
    for name, find in CORPORA.items():
        folder = getattr(arguments, name.replace("-", "_"))
        if folder is not None:
            yield from find(folder)
