# SPDX-License-Identifier: Apache-2.0
"""Trains the network on prepared stretches; stops after `--minutes`, or when calibration has not gained for a while."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .corpora import CORPORA
from .network import Voice

BATCH = 64
# Epochs without a gain on calibration after which it stops.
PATIENCE = 15


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

    def item(self, at, steps, draw=None):
        """`steps` of Moonshine's features and as much of the spectrogram, from a place drawn at random."""
        spare = self.encoded_count[at] - steps
        start = int(draw.integers(0, spare + 1)) if draw is not None and spare > 0 else 0
        rows = self.bands_of(steps)
        begin = min(round(start * 2.4), self.bands_count[at] - rows)
        encoded = self.encoded[self.encoded_at[at] + start:][:steps]
        bands = self.bands[self.bands_at[at] + begin:][:rows]
        return encoded.astype(np.float32), bands.astype(np.float32)

    @staticmethod
    def bands_of(steps):
        return int(steps * 2.4)


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


def batches(data, places, draw, count):
    """Batches of stretches of like length, with the copies of their genuine ones among them where there are any."""
    twin = {}
    for at in places:
        twin.setdefault((data.corpus[at], data.name[at]), []).append(at)
    chosen = draw.choice(places, size=count * BATCH // 2, p=weights(data, places))
    chosen = chosen[np.argsort(data.encoded_count[chosen] + draw.uniform(-8, 8, len(chosen)))]
    groups = np.array_split(chosen, count)
    for at in draw.permutation(count):
        group = []
        for place in groups[at]:
            group += [place, *(other for other in twin[data.corpus[place], data.name[place]] if other != place)]
        yield np.array(group)


def tilt(bands, draw):
    """Shifts the level of parts of the spectrum a little, as the equaliser's leftovers do."""
    for one in bands:
        one += np.interp(np.linspace(0, 5, bands.shape[2]), np.arange(6), draw.normal(0, 0.3, 6)).astype(np.float32)
    return bands


def loss_of(model, encoded, bands, label, corpus_name):
    logits = model.parts(encoded, bands)
    target = label * 0.95 + 0.025
    loss = sum(part * nn.functional.binary_cross_entropy_with_logits(logit, target)
               for part, logit in zip((1.0, 0.4, 0.4), logits))
    pairs = [(at, other) for at in range(len(label)) for other in range(at + 1, len(label))
             if corpus_name[at] == corpus_name[other] and label[at] != label[other]]
    if pairs:
        first, second = map(list, zip(*pairs))
        for part, logit in zip((0.5, 0.2, 0.2), logits):
            gap = (logit[first] - logit[second]) * (label[first] - label[second])
            loss = loss + part * nn.functional.softplus(1.0 - gap).mean()
    return loss


def eer(genuine, fake):
    """Equal error rate of two sets of scores."""
    if not len(genuine) or not len(fake):
        return float("nan")
    steps = np.sort(np.concatenate([genuine, fake]))
    false_alarm = np.array([np.mean(genuine >= step) for step in steps])
    missed = np.array([np.mean(fake < step) for step in steps])
    at = np.argmin(np.abs(false_alarm - missed))
    return float((false_alarm[at] + missed[at]) / 2)


def scores(model, data, places):
    """`[stretches, 3]`: logits of both, words and sound."""
    model.eval()
    out = []
    with torch.no_grad():
        for at in places:
            steps = min(data.encoded_count[at], int(data.bands_count[at] / 2.4))
            encoded, bands = data.item(at, steps)
            parts = model.parts(torch.from_numpy(encoded)[None], torch.from_numpy(bands)[None])
            out.append([float(part) for part in parts])
    return np.array(out)


def measure(model, data, places):
    """EER of each genuine corpus, against all synthesisers and against its own copies; `[both, words, sound]` each."""
    found = scores(model, data, places)
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
    parser.add_argument("--rate", type=float, default=2e-3)
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
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.02)
    args.out.mkdir(parents=True, exist_ok=True)
    begin, best, since, log, average = time.time(), 9.0, 0, [], None
    steps = max(1, len(train) // BATCH)
    while time.time() - begin < args.minutes * 60 and since < PATIENCE:
        model.train()
        total, left = 0.0, 1 - (time.time() - begin) / (args.minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * max(0.03, left)
        for places in batches(data, train, draw, steps):
            length = min(data.encoded_count[places].min(), int(data.bands_count[places].min() / 2.4))
            length = int(min(length, draw.integers(40, 166)))
            pieces = [data.item(at, length, draw) for at in places]
            bands = tilt(np.stack([piece[1] for piece in pieces]), draw)
            encoded = np.stack([piece[0] for piece in pieces])
            encoded += draw.normal(0, 0.05, encoded.shape).astype(np.float32)
            label = torch.from_numpy(data.label[places].astype(np.float32))
            names = [f"{data.corpus[at]}/{data.name[at]}" for at in places]
            loss = loss_of(model, torch.from_numpy(encoded), torch.from_numpy(bands), label, names)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            total += float(loss.detach())
            weight = {name: value.detach().clone() for name, value in model.state_dict().items()}
            average = weight if average is None else {
                name: value.lerp(weight[name], 0.02) if value.is_floating_point() else weight[name]
                for name, value in average.items()}
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(average)
        told = measure(model, data, held)
        mean = float(np.nanmean([value[0] for value in told.values()]))
        log.append({"minutes": round((time.time() - begin) / 60, 2), "loss": round(total / steps, 4), "mean": mean, **told})
        print(json.dumps(log[-1]), flush=True)
        since = 0 if mean < best else since + 1
        if mean < best:
            best = mean
            torch.save(average, args.out / "weights.pt")
        model.load_state_dict(kept)
        (args.out / "log.json").write_text(json.dumps(log, indent=1))


if __name__ == "__main__":
    main()
