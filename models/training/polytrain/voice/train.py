# SPDX-License-Identifier: Apache-2.0
"""Trains the network on prepared stretches: `--steps`, or `--minutes` if they come first; the best on calibration stays."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .corpora import CORPORA
from .network import Voice

# Steps between two looks at calibration; the best one stays.
EVERY = 100


class Stretches:
    """All shards in memory, as halves."""

    def __init__(self, folders):
        shards = [np.load(path) for folder in folders for path in sorted(Path(folder).glob("*.npz"))]
        join = lambda key: np.concatenate([shard[key] for shard in shards])
        self.encoded, self.bands = join("encoded"), join("bands")
        self.label, self.method, self.corpus = join("label"), join("method"), join("corpus")
        self.fold, self.speaker, self.name = join("fold"), join("speaker"), join("name")
        self.encoded_count, self.bands_count = join("encoded_count"), join("bands_count")
        self.encoded_at = np.concatenate([[0], np.cumsum(self.encoded_count)[:-1]])
        self.bands_at = np.concatenate([[0], np.cumsum(self.bands_count)[:-1]])
        self.genuine_corpus = np.isin(self.corpus, list(CORPORA))

    def __len__(self):
        return len(self.label)

    def features(self, places):
        """Moonshine's features, padded, and the mask of what counts."""
        most = int(self.encoded_count[places].max())
        out, mask = np.zeros((len(places), most, self.encoded.shape[1]), np.float32), np.zeros((len(places), most), np.float32)
        for row, at in enumerate(places):
            count = self.encoded_count[at]
            out[row, :count] = self.encoded[self.encoded_at[at]:][:count]
            mask[row, :count] = 1
        return torch.from_numpy(out), torch.from_numpy(mask)

    def spectrogram(self, at):
        return torch.from_numpy(self.bands[self.bands_at[at]:][:self.bands_count[at]].astype(np.float32))

    def statistics(self, model):
        """Those of Moonshine's features, as attention weighs them now, and of the spectrograms, which no training changes."""
        parts = np.array_split(np.arange(len(self)), max(1, len(self) // 100))
        with torch.no_grad():
            return (torch.cat([model.words.statistics(*self.features(part)) for part in parts]),
                    torch.cat([model.sound.statistics(self.spectrogram(at)[None]) for at in range(len(self))]))


def weights(data, places):
    """How often each stretch is drawn: classes alike, corpora alike within genuine; half of the fakes are copies."""
    kind = np.where(data.label[places] == 0, "g", np.where(data.genuine_corpus[places], "c", "s"))
    # GRID's one speaker and small vocabulary would fill the rest; the square root spares both ends.
    weight = np.zeros(len(places))
    for name, share in (("g", 0.5), ("c", 0.25), ("s", 0.25)):
        group = kind == name
        corpora = data.corpus[places][group]
        each = {corpus: np.sum(corpora == corpus) for corpus in set(corpora)}
        part = np.array([each[corpus] ** -0.5 for corpus in corpora])
        weight[group] = share * part / part.sum()
    return weight


def set_levels(model, data, statistics, places):
    """Mean and deviation of the statistics in training."""
    for level, values in zip((model.words.level, model.sound.level), (part[places] for part in statistics)):
        level.mean.copy_(values.mean(dim=0))
        level.deviation.copy_(values.std(dim=0) + 1e-4)


def loss_of(logits, label):
    """Cross entropy of the whole and of each part alone."""
    target = label * 0.95 + 0.025
    return sum(part * nn.functional.binary_cross_entropy_with_logits(logit, target)
               for part, logit in zip((1.0, 0.5, 0.5), logits))


def eer(genuine, fake):
    """Equal error rate of two sets of scores."""
    if not len(genuine) or not len(fake):
        return float("nan")
    steps = np.sort(np.concatenate([genuine, fake]))
    false_alarm = np.array([np.mean(genuine >= step) for step in steps])
    missed = np.array([np.mean(fake < step) for step in steps])
    at = np.argmin(np.abs(false_alarm - missed))
    return float((false_alarm[at] + missed[at]) / 2)


def logits_of(model, words, sound):
    """Of both, words and sound, out of their statistics."""
    return model.parts(model.words.hidden(model.words.level(words)), model.sound.hidden(model.sound.level(sound)))


def scores(model, statistics, places):
    """`[stretches, 3]`: logits of both, words and sound."""
    model.eval()
    with torch.no_grad():
        return torch.stack(logits_of(model, statistics[0][places], statistics[1][places]), dim=1).numpy()


def measure(model, data, statistics, places):
    """EER of each genuine corpus, against all synthesisers and against its own copies; `[both, words, sound]` each."""
    found = scores(model, statistics, places)
    label, corpus, genuine = data.label[places], data.corpus[places], data.genuine_corpus[places]
    told = {}
    for name in sorted(set(corpus[label == 0])):
        mine = (label == 0) & (corpus == name)
        for against, group in (("synthesisers", (label == 1) & ~genuine), ("copies", (label == 1) & (corpus == name))):
            told[f"{name}/{against}"] = [round(eer(found[mine, part], found[group, part]), 4) for part in range(3)]
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--attention-steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", nargs="*", default=[], help="corpora or synthesisers to leave out of training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    draw = np.random.default_rng(args.seed)
    data, model = Stretches(args.shards), Voice()
    print(sum(p.numel() for p in model.parameters()), "parameters;", len(data), "stretches", flush=True)
    train = np.flatnonzero((data.fold == "train") & ~np.isin(data.corpus, args.without))
    held = np.flatnonzero(data.fold == "calibration")
    statistics = data.statistics(model)
    set_levels(model, data, statistics, train)
    weight = weights(data, train)
    args.out.mkdir(parents=True, exist_ok=True)
    begin, best, log, average = time.time(), 9.0, [], None
    # First on what pooling without attention gives, then all of it together, slowly.
    for attention, steps, rate, size in ((False, args.steps, args.rate, 256), (True, args.attention_steps, args.rate / 5, 128)):
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.3)
        if attention and average is not None:
            model.load_state_dict(torch.load(args.out / "weights.pt", weights_only=True))
            average = None
        for step in range(steps):
            if time.time() - begin > args.minutes * 60:
                break
            model.train()
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / steps) + 1e-5
            places = draw.choice(train, size=size, p=weight)
            words = model.words.statistics(*data.features(places)) if attention else statistics[0][places]
            loss = loss_of(logits_of(model, words, statistics[1][places]), torch.from_numpy(data.label[places].astype(np.float32)))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            now = {name: value.detach().clone() for name, value in model.state_dict().items()}
            average = now if average is None else {name: value.lerp(now[name], 0.03) for name, value in average.items()}
            if (step + 1) % (EVERY // 2 if attention else EVERY):
                continue
            kept = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(average)
            seen = statistics
            if attention:
                held_words = torch.cat([model.words.statistics(*data.features(part)).detach() for part in np.array_split(held, 5)])
                seen = (statistics[0].clone(), statistics[1])
                seen[0][held] = held_words
            told = measure(model, data, seen, held)
            mean = float(np.nanmean([value[0] for value in told.values()]))
            log.append({"attention": attention, "step": step + 1, "minutes": round((time.time() - begin) / 60, 2),
                        "loss": round(float(loss.detach()), 4), "mean": round(mean, 4), **told})
            print(json.dumps(log[-1]), flush=True)
            if mean < best:
                best = mean
                torch.save(average, args.out / "weights.pt")
            model.load_state_dict(kept)
            (args.out / "log.json").write_text(json.dumps(log, indent=1))


if __name__ == "__main__":
    main()
