# SPDX-License-Identifier: Apache-2.0
"""Trains the three parts on prepared stretches, each alone, and joins them by `--share`.

With `--without` (corpora, synthesisers, ways to copy) a family is left out: how it is told then is what shares are chosen by.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .corpora import CORPORA
from .network import CELLS, Picture, Voice
from .measure import eer

# Rows of a picture's crop, one length a batch.
CROPS = (100, 128, 160, 200)


class Stretches:
    """All shards in memory, as halves."""

    def __init__(self, folders):
        shards = [np.load(path) for folder in folders for path in sorted(Path(folder).glob("*.npz"))]
        join = lambda key: np.concatenate([shard[key] for shard in shards])
        self.encoded, self.bands = join("encoded"), join("bands")
        self.label, self.method, self.corpus, self.fold = join("label"), join("method"), join("corpus"), join("fold")
        self.encoded_count, self.bands_count = join("encoded_count"), join("bands_count")
        self.encoded_at = np.concatenate([[0], np.cumsum(self.encoded_count)[:-1]])
        self.bands_at = np.concatenate([[0], np.cumsum(self.bands_count)[:-1]])
        self.genuine_corpus = np.isin(self.corpus, list(CORPORA))
        copies = np.char.add("copy:", self.method.astype("U30"))
        self.family = np.where(~self.genuine_corpus, self.corpus, np.where(self.label == 0, "genuine", copies))

    def __len__(self):
        return len(self.label)

    def features(self, at):
        return torch.from_numpy(self.encoded[self.encoded_at[at]:][:self.encoded_count[at]].astype(np.float32))

    def spectrogram(self, at):
        return torch.from_numpy(self.bands[self.bands_at[at]:][:self.bands_count[at]].astype(np.float32))

    def statistics(self, model):
        """Of Moonshine's features and of the spectrograms; no training changes them."""
        with torch.no_grad():
            return (torch.cat([model.words.statistics(self.features(at)[None]) for at in range(len(self))]),
                    torch.cat([model.sound.statistics(self.spectrogram(at)[None]) for at in range(len(self))]))

    def crops(self, places, rows, draw):
        """Crops of spectrograms, `[places, rows, CELLS]`; a shorter one is repeated."""
        out = np.empty((len(places), rows, CELLS), np.float32)
        for row, at in enumerate(places):
            count, first = self.bands_count[at], self.bands_at[at]
            start = int(draw.integers(0, max(1, count - rows + 1)))
            out[row] = np.take(self.bands[first:first + count], np.arange(start, start + rows), axis=0, mode="wrap")
        return out


def weights(data, places):
    """How often each stretch is drawn: classes alike, half of the fakes are copies; within each the square root of a corpus' or
    a synthesiser's size, which spares both ends. Pages of synthesisers count as one."""
    kind = np.where(data.label[places] == 0, "g", np.where(data.genuine_corpus[places], "c", "s"))
    own = np.isin(data.corpus[places], ("piper", "espeak", "flite", "festival"))
    group = np.where(own | data.genuine_corpus[places], data.corpus[places], "pages")
    weight = np.zeros(len(places))
    for name, share in (("g", 0.5), ("c", 0.25), ("s", 0.25)):
        mine = group[kind == name]
        each = {one: np.sum(mine == one) for one in set(mine)}
        part = np.array([each[one] ** -0.5 for one in mine])
        weight[kind == name] = share * part / part.sum()
    return weight / weight.sum()


def worse(bands, draw):
    """Some spectrograms with a higher floor, a stripe of bands or of time without its traces."""
    count, rows, cells = bands.shape
    floor = draw.uniform(-9.5, -3, (count, 1, 1)) + 0.8 * draw.standard_normal(bands.shape)
    bands = np.where(draw.random((count, 1, 1)) < 0.3, np.logaddexp(bands, floor), bands)
    for one in bands:
        if draw.random() < 0.5:
            wide = int(draw.integers(4, 24))
            at = int(draw.integers(0, cells - wide))
            one[:, at:at + wide] = one[:, at:at + wide].mean()
        if draw.random() < 0.3:
            long = int(draw.integers(5, 25))
            at = int(draw.integers(0, max(1, rows - long)))
            one[at:at + long] = one.mean(axis=0)
    return bands.astype(np.float32)


def loss_of(logit, label):
    return nn.functional.binary_cross_entropy_with_logits(logit, torch.from_numpy(label.astype(np.float32)) * 0.95 + 0.025)


def train_statistics(part, alone, values, data, places, draw, steps):
    """One hidden layer over statistics; the running mean of its weights stays."""
    part.level.mean.copy_(values[places].mean(dim=0))
    part.level.deviation.copy_(values[places].std(dim=0) + 1e-4)
    both, weight, average = nn.ModuleList([part, alone]), weights(data, places), None
    optimiser = torch.optim.AdamW(both.parameters(), lr=1e-3, weight_decay=0.3)
    both.train()
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / steps) + 1e-5
        drawn = draw.choice(places, size=256, p=weight)
        loss = loss_of(alone(part.hidden(part.level(values[drawn]))).squeeze(1), data.label[drawn])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        now = {name: value.detach().clone() for name, value in both.state_dict().items()}
        average = now if average is None else {name: value.lerp(now[name], 0.03) for name, value in average.items()}
    both.load_state_dict(average)


def train_picture(picture: Picture, data, places, draw, steps, minutes):
    weight, begin = weights(data, places), time.time()
    optimiser = torch.optim.AdamW(picture.parameters(), lr=2e-3, weight_decay=0.05)
    picture.train()
    for step in range(steps):
        done = max(step / steps, (time.time() - begin) / 60 / minutes)
        if done >= 1:
            break
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * done)) + 1e-5
        drawn = draw.choice(places, size=32, p=weight)
        bands = torch.from_numpy(worse(data.crops(drawn, int(draw.choice(CROPS)), draw), draw))
        loss = loss_of(picture(bands), data.label[drawn])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(step + 1, "steps of the picture", round((time.time() - begin) / 60, 1), "minutes", flush=True)


def scores(model, data, statistics, places):
    """`[places, 3]`: logits of words, sound and picture."""
    model.eval()
    with torch.no_grad():
        told = [alone(part.hidden(part.level(values[places]))).squeeze(1)
                for part, alone, values in ((model.words, model.words_alone, statistics[0]), (model.sound, model.sound_alone, statistics[1]))]
        picture = torch.cat([model.picture(data.spectrogram(at)[None]) for at in places])
    return torch.stack([*told, picture], dim=1).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6, help="of the convolutions")
    parser.add_argument("--steps", type=int, default=3000, help="of the convolutions")
    parser.add_argument("--share", type=float, nargs=3, default=(1.0, 0.5, 0.5), metavar=("WORDS", "SOUND", "PICTURE"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", nargs="*", default=[], help="families to leave out, as copy:lyra or piper")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    draw = np.random.default_rng(args.seed)
    data, model = Stretches(args.shards), Voice()
    print(sum(p.numel() for p in model.parameters()), "parameters;", len(data), "stretches", flush=True)
    train = np.flatnonzero((data.fold == "train") & ~np.isin(data.family, args.without))
    held = np.flatnonzero(data.fold == "calibration")
    statistics = data.statistics(model)
    train_statistics(model.words, model.words_alone, statistics[0], data, train, draw, 800)
    train_statistics(model.sound, model.sound_alone, statistics[1], data, train, draw, 800)
    train_picture(model.picture, data, train, draw, args.steps, args.minutes)
    model.share.copy_(torch.tensor(args.share))
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), args.out / "weights.pt")
    found = scores(model, data, statistics, held)
    found = np.concatenate([found, (found * np.array(args.share)).sum(axis=1, keepdims=True)], axis=1)
    label, corpus, family, told = data.label[held], data.corpus[held], data.family[held], {}
    for one in sorted(set(family) - {"genuine"}):
        for name in sorted(set(corpus[label == 0])):
            mine = (label == 0) & (corpus == name)
            told[f"{name}/{one}"] = [round(eer(found[mine, part], found[family == one, part]), 4) for part in range(4)]
    (args.out / "log.json").write_text(json.dumps({"without": args.without, "words, sound, picture, all": told}, indent=1))


if __name__ == "__main__":
    main()
