# SPDX-License-Identifier: Apache-2.0
"""The networks alone, without the product around them, on a folder of `polytrain.speech.testset`: greedy words of lips, of
sound and of both, on mouths that `polygraph senses` cut. `polygraph eval` measures the same folder through the elements."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch

from . import data
from .export import load
from .heard import Ears, Encoder
from .network import DELAY, LEAD, MARGIN, ROWS, STATE, Sound
from .testset import sound as decode
from .words import WORDS

COLUMNS = ("sound only", "lips only", "both")


def edits(said, wanted):
    """(insertions, deletions, substitutions) of the cheapest edits."""
    row = [(at, at, 0, 0) for at in range(len(said) + 1)]
    for down, word in enumerate(wanted):
        new = [(down + 1, 0, down + 1, 0)]
        for at, other in enumerate(said):
            c, i, d, s = row[at]
            both = (c + (word != other), i, d, s + (word != other))
            c, i, d, s = row[at + 1]
            deletion = (c + 1, i, d + 1, s)
            c, i, d, s = new[at]
            new.append(min(both, deletion, (c + 1, i + 1, d, s), key=lambda way: way[0]))
        row = new
    return row[-1][1:]


def read(log_probs):
    """[(word, first step, behind the last)] of the best path."""
    best = log_probs.argmax(1).numpy()
    ends = np.flatnonzero(np.diff(best)) + 1
    return [(WORDS[best[run[0]] - 1], int(run[0]), int(run[-1]) + 1) for run in np.split(np.arange(len(best)), ends) if best[run[0]]]


def interval(errors, words, other=None):
    """Rate and its 95 % interval over clips, or the difference to another's."""
    rng = np.random.default_rng(1)
    draws = [np.arange(len(words))] + [rng.integers(0, len(words), len(words)) for _ in range(1000)]
    rates = [errors[d].sum() / words[d].sum() - (other[d].sum() / words[d].sum() if other is not None else 0) for d in draws]
    return [round(100 * float(value), 1) for value in (rates[0], *np.percentile(rates[1:], [2.5, 97.5]))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--senses", type=Path, nargs=2, required=True, help="folders of `polygraph senses`: GRID speaker 1, and others")
    parser.add_argument("--weights", type=Path, nargs=2, required=True, help="of both, and of the twin")
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder, as `polygraph models fetch` keeps it")
    parser.add_argument("--gate", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    net, twin, ears = load(args.weights[0], False), load(args.weights[1], True), Ears(Sound(), Encoder(args.encoder))
    gate = json.loads(args.gate.read_text())["gate"]
    rows, looks, found, off = list(csv.DictReader(open(args.folder / "speech.csv"))), {}, {}, []
    for row in rows:
        if row["corpus"] not in ("grid-1", "grid-others"):
            continue
        stem = args.senses[row["corpus"] == "grid-others"] / Path(row["video"]).stem
        if not stem.with_suffix(".json").exists():
            continue
        if stem not in looks:
            clip = data.read(stem)
            mask = torch.from_numpy(np.pad(clip.seen, (MARGIN, MARGIN + DELAY)))[None]
            pixels = torch.from_numpy(np.pad(clip.mouths, ((MARGIN, MARGIN + DELAY), (0, 0), (0, 0)))).float()[None, :, None]
            looks[stem] = net.front(pixels, mask), mask[:, MARGIN:-MARGIN], len(clip)
        look, mask, count = looks[stem]
        wave = decode(args.folder / row["sound"])
        wave = np.pad(wave, (0, max(0, count * data.STEP - len(wave))))[: count * data.STEP]
        sounds = ears(torch.from_numpy(np.pad(wave, (LEAD, DELAY * data.STEP)))[None])
        there = torch.ones(1, count + DELAY)
        there[:, count:] = 0
        state, nothing = torch.zeros(ROWS, 1, STATE), torch.zeros_like(mask)
        answers = {
            "sound only": twin.core(nothing, nothing, *sounds, there, state)[0],
            "lips only": net.core(look, mask, *sounds, there * 0, state)[0],
            "both": net.core(look, mask, *sounds, there, state)[0],
        }
        one = found.setdefault((row["corpus"], row["condition"]), {"words": [], "open": [], **{name: [] for name in COLUMNS}})
        wanted = row["text"].split()
        one["words"].append(len(wanted))
        said = {name: read(log_probs[0, DELAY:]) for name, log_probs in answers.items()}
        for name in COLUMNS:
            one[name].append(edits([word for word, _, _ in said[name]], wanted))
        p = answers["lips only"][0, DELAY:].exp().max(1).values.numpy()
        alone, both = ([word for word, _, _ in said[name]] for name in ("lips only", "both"))
        certainty = float(np.mean([p[a:b].mean() for _, a, b in said["lips only"]])) if alone else 0.0
        agreement = max(0.0, 1 - sum(edits(alone, both)) / max(len(alone), len(both), 1))
        logit = gate["certainty"] * certainty + gate["agreement"] * agreement + gate["offset"]
        one["open"].append(len(alone) >= gate["least_words"] and 1 / (1 + np.exp(-logit)) >= gate["least"])
        if both == wanted and row["times"] and row["condition"] == "clean":
            for (_, a, b), pair in zip(said["both"], row["times"].split()):
                start, end = map(float, pair.split("-"))
                off += [abs(a * 40 - start), abs(b * 40 - end)]
    report = {"word_times_ms": {"median": float(np.median(off)), "p95": float(np.percentile(off, 95)), "edges": len(off)} if off else None, "rates": []}
    for (corpus, condition), one in found.items():
        words = np.array(one["words"])
        line = {"corpus": corpus, "condition": condition, "clips": len(words), "gate_open": float(np.mean(one["open"]))}
        sums = {name: np.array(one[name]).sum(1) for name in COLUMNS}
        for name in COLUMNS:
            line[name] = {"wer_low_high": interval(sums[name], words), "ins_del_sub_words": [*map(int, np.array(one[name]).sum(0)), int(words.sum())]}
        line["both less sound only"] = interval(sums["both"], words, sums["sound only"])
        opened = np.array(one["open"])
        line["both, where the gate is open"] = round(100 * float(sums["both"][opened].sum() / words[opened].sum()), 1) if opened.any() else None
        report["rates"].append(line)
        print(json.dumps(line))
    print(json.dumps(report["word_times_ms"]))
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
