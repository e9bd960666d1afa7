# SPDX-License-Identifier: Apache-2.0
"""Makes a folder that `polygraph eval` measures speech recognition with lips on: clips, their sound in babble of fixed seeds,
and `speech.csv`.

`test`: GRID speaker 1, position 7; other GRID people; open speech over a still portrait and over a foreign talking face. Babble
is of EmoDB and Moonshine's recordings. `quick`: some clips of position 9, to see that all runs.
"""

import argparse
import csv
import subprocess
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

from ..lips.testset import others
from . import data, words
from .data import RATE

LEVELS = (("clean", None), ("5 dB", 5), ("0 dB", 0), ("-5 dB", -5), ("-10 dB", -10))
VOICES = 6
COMMAND = dict(b="bin", l="lay", p="place", s="set")
COLOUR = dict(b="blue", g="green", r="red", w="white")
PREPOSITION = dict(a="at", b="by", i="in", w="with")
DIGIT = dict(zip("z123456789", "zero one two three four five six seven eight nine".split()))
ADVERB = dict(a="again", n="now", p="please", s="soon")


def sentence(name):
    """What a GRID clip says, by its name."""
    c, o, p, letter, d, a = name[-6:]
    return " ".join((COMMAND[c], COLOUR[o], PREPOSITION[p], letter, DIGIT[d], ADVERB[a]))


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def sound(path, seconds=None):
    """16 kHz mono of any file."""
    if path.suffix == ".wav":
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return signal.resample_poly(wave.mean(1), RATE, rate).astype(np.float32)
    limit = ["-t", str(seconds)] if seconds else []
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *limit, "-f", "f32le", "-ac", "1", "-ar", "16000", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, "<f4")


class Babble:
    """Several voices at once."""

    def __init__(self, voices):
        self.voices = [wave for wave in voices if len(wave) > 8000]

    def like(self, wave, span, snr, seed):
        """`wave` in babble so loud that the sentence is `snr` dB above it."""
        if snr is None:
            return wave
        rng, total = np.random.default_rng(seed), np.zeros(len(wave))
        for _ in range(VOICES):
            at = -int(rng.integers(0, 16000))
            while at < len(wave):
                voice = self.voices[rng.integers(len(self.voices))]
                begin = int(rng.integers(0, max(len(voice) - 80000, 1)))
                voice = voice[begin : begin + 80000] / data.loudness(voice[begin : begin + 80000])
                low, high = max(at, 0), min(at + len(voice), len(wave))
                if high > low:
                    total[low:high] += voice[low - at : high - at]
                at += len(voice)
        mixed = wave + total / data.loudness(total) * data.loudness(wave[span[0] : span[1]]) * 10 ** (-snr / 20)
        return mixed / max(1.0, np.abs(mixed).max() / 0.99)


class Folder:
    """The folder that is made."""

    def __init__(self, out, babble):
        self.out, self.babble, self.rows = out, babble, []
        out.mkdir(parents=True, exist_ok=True)

    def add(self, video, wave, span, text, corpus, levels, times=""):
        link = self.out / video.name
        if not link.exists():
            link.symlink_to(video.resolve())
        for at, (condition, snr) in enumerate(levels):
            name = f"{corpus}.{video.stem}.{condition.replace(' ', '')}.wav".replace("/", "-")
            seed = sum(ord(c) * 31**i % 65521 for i, c in enumerate(name)) % 2**32
            soundfile.write(self.out / name, self.babble.like(wave, span, snr, seed), 16000, subtype="PCM_16")
            self.rows.append((video.name, name, text, times, corpus, condition))

    def write(self):
        with open(self.out / "speech.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("video", "sound", "text", "times", "corpus", "condition"))
            writer.writerows(self.rows)
        print(len(self.rows), "rows")


def grid(folder, position):
    """(clip, sound, span, sentence, times) of GRID speaker 1."""
    for clip in [clip for at, clip in enumerate(sorted(folder.glob("*.mpg"))) if at % 10 == position]:
        said = words.read(clip.with_suffix(".align"))
        times = " ".join(f"{a / 1e6:.0f}-{b / 1e6:.0f}" for a, b, _ in said)
        text = " ".join(words.WORDS[word - 1] for _, _, word in said)
        yield clip, sound(clip), (said[0][0] * 16 // 10**6, said[-1][1] * 16 // 10**6), text, times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=("test", "quick"))
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--others", type=Path)
    parser.add_argument("--voices", type=Path, nargs="+", required=True, help="folders of WAV: of EmoDB and Moonshine's recordings, or of training voices")
    parser.add_argument("--portrait", type=Path)
    parser.add_argument("--open", type=Path, help="WAV of open speech; its text beside it in .txt")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    voices = [sound(path) for folder in args.voices for path in sorted(folder.glob("*.wav"))]
    folder = Folder(args.out, Babble(voices))
    clips = list(grid(args.grid, {"test": 7, "quick": 9}[args.which]))
    for clip, wave, span, text, times in clips if args.which == "test" else clips[:20]:
        folder.add(clip, wave, span, text, "grid-1", LEVELS, times)
    for person, found in others(args.others).items() if args.others else ():
        for clip in found:
            wave = sound(clip)
            loud = np.flatnonzero(np.abs(wave) > 0.1 * np.abs(wave).max())
            folder.add(clip, wave, (loud[0], loud[-1]), sentence(clip.stem), "grid-others", LEVELS)
    if args.open:
        wave = sound(args.open)
        text = args.open.with_suffix(".txt").read_text().strip().replace("\n", " ")
        seconds = len(wave) / 16000
        still = args.out / "portrait.mp4"
        ffmpeg("-loop", 1, "-framerate", 25, "-t", seconds, "-i", args.portrait, "-vf", "scale=640:-2", "-c:v", "libx264", "-crf", 23, "-pix_fmt", "yuv420p", "-threads", 1, still)
        folder.add(still, wave, (0, len(wave)), text, "open speech, portrait", LEVELS)
        stranger = args.out / "stranger.mp4"
        clip = next(iter(others(args.others).values()))[0] if args.others else clips[0][0]
        ffmpeg("-stream_loop", int(seconds / 3) + 1, "-i", clip, "-t", seconds, "-an", "-c:v", "libx264", "-crf", 20, "-pix_fmt", "yuv420p", "-threads", 1, stranger)
        folder.add(stranger, wave, (0, len(wave)), text, "open speech, foreign face", LEVELS)
    folder.write()


if __name__ == "__main__":
    main()
