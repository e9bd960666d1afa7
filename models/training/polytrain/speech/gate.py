# SPDX-License-Identifier: Apache-2.0
"""Learns when lips may have a say: on position 8 of GRID speaker 1, clean and in babble of training clips, against people of other sources who
say something else, and against position 8 with another clip's sound. All as `polygraph senses` cut them, by the networks that ship.

What is read: a clip counts as helped where at most a third of the network's words are wrong, for Moonshine has more than half of
GRID's wrong even without noise. Logistic regression on how sure the network is of what lips alone say, and how far that agrees with what
lips and sound say together, against people who say something else. In the worst noise, where what is heard is worth little, the threshold is
the larger of odds of e to 1 and the point that one in a hundred of their pieces exceeds; as noise ends it lies half of the way, in logits,
from the highest of them to the median of those helped. Where all is calm nothing is believed but what sound alone confirms, as below.

Whether it fits the sound: logistic regression of the confidence in lip-sync and of noise, of clips with their own sound against clips with
another's, of those levels at which the two can be told apart. The card has the line on which one's own is 1 to e.

Or else: what lips alone and sound alone say is the same to a higher share than it is, at the worst level, in one of a hundred of the clips under
another's sound or of the pieces of others, and half a word of ten more. A still mouth never has a say."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from ..grid import FUSION
from ..lips import calibrate
from ..lips import data as lips_data
from ..lips.export import session
from . import data
from .measure import errors, greedy
from .heard import Ears, Encoder
from .network import DELAY, LEAD, MARGIN, ROWS, STATE, Sound

WINDOW = 100
"""Steps of a piece of somebody who says something else."""
SYNC_STEPS, BEFORE, AFTER = 75, 2, 6
"""The product judges lip-sync over the last 3 s of an utterance. That begins a little before the first word and ends after the last; in babble
somebody speaks all the time, and it is all that there is."""
LEVELS = (None, 5, 0, -5, -10)
LEAST_WORDS = 4
"""Of one or two words anybody's lips may make the network sure: no sentence of GRID is so short."""
NOISY_DB = (5.0, 15.0)
"""polygraph-core's: ratios between which noise hides how well lips and sound fit."""
LEAST = 1.0
"""Logit of the threshold at the least."""
TOLD = (None, 5, 0)
"""Levels at which another's sound is taught: in more noise nobody can tell, and it is not much worth to know."""


class Networks:
    """The shipped networks, on one core."""

    def __init__(self, weights, encoder):
        self.reading, self.mouth, self.ear = (session(weights / f"{name}.onnx") for name in ("speech-reading", "lips-mouth", "lips-sound"))
        self.ears = Ears(Sound(), Encoder(encoder))

    def read(self, mouths, seen, wave):
        """([certainty, agreement, words, agreement with sound alone], what both say)."""
        pad = lambda values, before, behind: np.pad(values, [(before, behind)] + [(0, 0)] * (values.ndim - 1))
        sound, heard = self.ears(torch.from_numpy(pad(wave, LEAD, DELAY * data.STEP))[None])
        given = {
            "mouths": pad(mouths, MARGIN, MARGIN + DELAY).astype(np.float32)[None, :, None],
            "sound": sound.numpy(),
            "heard": heard.numpy(),
            "state": np.zeros((ROWS, 1, STATE), np.float32),
        }
        there, mask = pad(np.ones(len(seen), np.float32), 0, DELAY)[None], pad(seen, MARGIN, MARGIN + DELAY)[None]
        run = lambda eye, ear: torch.from_numpy(self.reading.run(["log_probs"], given | {"mouth_mask": mask * eye, "sound_mask": there * ear})[0][0, DELAY:])
        both, lips, heard_alone = run(1, 1), run(1, 0), run(0, 1)
        best, p = lips.argmax(1).numpy(), lips.exp().max(1).values.numpy()
        runs = [run for run in np.split(np.arange(len(best)), np.flatnonzero(np.diff(best)) + 1) if best[run[0]]]
        certainty = float(np.mean([p[run].mean() for run in runs])) if runs else 0.0
        alone, together = greedy(lips), greedy(both)
        agreement = lambda other: max(0.0, 1 - errors(alone, other) / max(len(alone), len(other), 1))
        return [certainty, agreement(together), len(alone), agreement(greedy(heard_alone))], together

    def sync(self, clip, wave, babble):
        """Confidence that lips and sound fit, over the last of the utterance; as polygraph-core has it."""
        heard = type("Heard", (), {"sound": wave})
        seen = self.mouth.run(None, {"mouths": clip.mouths[None].astype(np.float32)})[0][0]
        sound = lips_data.sound(heard, 0, len(clip.mouths))[None].astype(np.float32)
        alike = calibrate.rows(seen, self.ear.run(None, {"sound": sound})[0][0], 0, SYNC_STEPS)
        first, last = (sample // data.STEP for sample in clip.span)
        begin, end = (0, len(alike)) if babble else (max(first - BEFORE, 0), last + AFTER)
        part = alike[max(end - SYNC_STEPS, begin) : end]
        means = np.nanmean(part, 0)
        return float((means.max() - np.median(means)) / np.nanstd(part))


def snr_db(wave):
    """polygraph-core's guess: the loud tenth of frames of 20 ms against the quiet tenth."""
    powers = np.sort((wave[: len(wave) // 320 * 320].reshape(-1, 320) ** 2).mean(1))
    quiet, loud = powers[len(powers) // 10], powers[len(powers) * 9 // 10]
    return float(np.clip(10 * np.log10(max(loud - quiet, loud * 1e-3) / max(quiet, loud * 1e-6)), -20, 60)) if loud > 1e-10 else 60.0


def fit(x, y, strength=0.0003):
    """Weights and offset; both classes weigh the same."""
    weight = np.where(y, 1 / y.sum(), 1 / (~y).sum())
    def loss(w):
        margin = np.where(y, 1, -1) * (x @ w[:-1] + w[-1])
        return (weight * np.logaddexp(0, -margin)).sum() + strength * (w[:-1] ** 2).sum()
    found = minimize(loss, np.zeros(x.shape[1] + 1)).x
    return found[:-1], found[-1]


class Piece:
    """A part of a clip of somebody else, which is all said."""

    def __init__(self, clip, start):
        self.mouths, self.seen = clip.mouths[start : start + WINDOW], clip.seen[start : start + WINDOW]
        self.sound, self.span = clip.sound[start * data.STEP : (start + WINDOW) * data.STEP], (0, WINDOW * data.STEP)


def pieces(talk, people, count, rng):
    """Pieces of the calibration people of a list, at most three of a clip."""
    rows = [line.split("\t") for line in people.read_text().splitlines()[1:]]
    stems = [talk / Path(row[0]).stem for row in rows if row[2] == "calibrate"]
    found = []
    for at in rng.permutation(len(stems)):
        if len(found) < count and stems[at].with_name(stems[at].name + ".json").exists():
            clip = data.read(stems[at])
            starts = [start for start in range(0, len(clip) - WINDOW, WINDOW) if clip.seen[start : start + WINDOW].mean() > 0.9]
            found += [Piece(clip, start) for start in starts[:3]]
    return found


def rows_of(networks, clips, others, noise, rng):
    """All that is learnt from: [certainty, agreement, words, agreement with sound alone, sync, snr_db], whether it helps, corpus, level."""
    rows = []
    def add(clip, wave, corpus, levels, targets=None):
        for level in levels:
            heard = wave
            if level is not None:
                babble = sum(noise.voice(rng, len(wave)) for _ in range(6))
                heard = (wave + babble / data.loudness(babble) * data.loudness(wave[slice(*clip.span)]) * 10 ** (-level / 20)).astype(np.float32)
            given, said = networks.read(clip.mouths, clip.seen, heard)
            helps = targets is not None and errors(said, targets) <= 2
            rows.append((given + [networks.sync(clip, heard, level is not None), snr_db(heard)], helps, corpus, level))
    for at, clip in enumerate(clips):
        add(clip, clip.sound, "own", LEVELS, clip.targets)
        other = clips[(at + 13) % len(clips)].sound
        add(clip, np.pad(other, (0, max(0, len(clip.sound) - len(other))))[: len(clip.sound)], "another's sound", LEVELS)
    for piece in others:
        add(piece, piece.sound, "others", (None, 0))
    return rows


def gate_of(rows):
    """The gate, and for each corpus and level how many clips and how many it opens for."""
    given = np.array([row[0] for row in rows])
    helps, corpus = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    levels = np.array([row[3] for row in rows], object)
    enough, told = given[:, 2] >= LEAST_WORDS, np.array([row[3] in TOLD for row in rows])
    own, others = enough & helps, enough & (corpus == "others")
    taught = own | others
    read, offset = fit(given[taught, :2], helps[taught])
    logits = given[:, :2] @ read + offset
    least = max(LEAST, float(np.quantile(logits[others], 0.99)))
    calm = max(least, float(logits[others].max() + np.median(logits[own])) / 2)
    odds = lambda logit: 1 / (1 + np.exp(-logit))
    noise = np.clip(NOISY_DB[1] - given[:, 5], 0, NOISY_DB[1] - NOISY_DB[0])
    taught = own | (enough & told & (corpus == "another's sound"))
    (sync, quiet), at = fit(np.c_[given[:, 4], noise][taught], helps[taught])
    gate = {
        "certainty": read[0], "agreement": read[1], "offset": offset, "least": odds(least), "least_calm": odds(calm), "least_sync": (-1 - at) / sync, "sync_per_db": quiet / sync,
    }
    foreign = [enough & (corpus == name) & (levels == level) for name in ("others", "another's sound") for level in LEVELS]
    gate["least_heard"] = max(float(np.quantile(given[its, 3], 0.99)) for its in foreign if its.any()) + 0.05
    needed = gate["least_calm"] + noise / (NOISY_DB[1] - NOISY_DB[0]) * (gate["least"] - gate["least_calm"])
    fits = given[:, 4] >= gate["least_sync"] - gate["sync_per_db"] * noise
    sure = (noise > 0) & (odds(logits) >= needed)
    is_open = enough & (sure & fits | (given[:, 3] >= gate["least_heard"]))
    seen = {}
    for (_, _, name, level), enough_words, good, is_open in zip(rows, enough, helps, is_open):
        one = seen.setdefault(f"{name}, {'clean' if level is None else f'{level} dB'}", {"clips": 0, "with_words": 0, "helped": 0, "open": 0, "open_not_helped": 0})
        for key, value in (("clips", 1), ("with_words", enough_words), ("helped", good), ("open", is_open), ("open_not_helped", is_open and not good)):
            one[key] += int(value)
    fixed = {"least_words": LEAST_WORDS, "lips_weight": 0.0, "heard_weight": 0.0}
    return {name: round(float(value), 4) for name, value in gate.items()} | fixed, seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the shipped networks")
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder, as `polygraph models fetch` keeps it")
    parser.add_argument("--senses", type=Path, required=True, help="folder of `polygraph senses` over GRID speaker 1")
    parser.add_argument("--grid", type=Path, required=True, help="its alignments")
    parser.add_argument("--talk", type=Path, required=True, help="folder of `polygraph senses` over clips of people who say something else")
    parser.add_argument("--people", type=Path, required=True, help="the list of those clips")
    parser.add_argument("--pieces", type=int, default=300)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    rng = np.random.default_rng(8)
    noise = data.Noise(data.grid(args.senses, args.grid, {0, 1}), [])
    clips = data.grid(args.senses, args.grid, FUSION)
    rows = rows_of(Networks(args.weights, args.encoder), clips, pieces(args.talk, args.people, args.pieces, rng), noise, rng)
    gate, seen = gate_of(rows)
    report = {"gate": gate, "corpora": seen}
    print(json.dumps(report, indent=1))
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
