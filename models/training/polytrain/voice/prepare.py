# SPDX-License-Identifier: Apache-2.0
"""Training's and calibration's stretches, as the network gets them: shards of Moonshine's features and spectrograms.

Each genuine stretch has a copy of itself by a vocoder, damaged by the very same draws; synthesisers come beside.
"""

import argparse
import zlib
from pathlib import Path

import numpy as np
import onnxruntime

from . import corpora, frontend, vocoders
from .activity import Activity
from .copies import METHODS, copy
from .damage import CODECS, damage, draws, through

RATE = 16000
# Lengths of a stretch, in seconds: the shortest that the product asks about, and its window.
SHORTEST, LONGEST = 1.0, 4.0
# Stretches of each utterance.
TURNS = {
    "grid-s1": 1, "reader": 3, "libri": 1, "urdu": 2, "talk": 4, "demos": 2,
    "piper": 2, "espeak": 1, "flite": 1, "festival": 2,
}
# Of a sample on a synthesiser's page.
DEMO_TURNS = 3
BATCH = 80
# How often each way of copying is drawn: WORLD is the dearest by far.
SHARES = {"world": 0.07, "world-coded": 0.07, "griffin-lim": 0.14, "griffin-lim-mel": 0.2, "lyra": 0.26, "hifi-gan": 0.26}
# A long clip is looked at so far, in seconds.
MOST = 60


def hash_of(text):
    return zlib.crc32(text.encode())


class Encoder:
    """Moonshine's encoder on one core."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, wave):
        given = {"input_values": wave[None], "attention_mask": np.ones((1, len(wave)), np.int64)}
        return self.session.run(None, given)[0][0]


def synthetic(folder, demos=None):
    """Utterances of the synthesisers that may be trained on; one in ten calibrates, by name."""
    for name in ("piper", "espeak", "flite", "festival"):
        for clip in sorted((folder / name).glob("*.wav")):
            fold = "calibration" if int(clip.stem) % 10 == 7 else "test" if int(clip.stem) % 10 == 8 else "train"
            yield corpora.Utterance(name, clip.stem, name, fold, clip)
    if demos is not None:
        yield from corpora.listed(demos, "demo", None)


def stretch(utterance, turn, bounds, samples, activity):
    """A stretch that begins and ends with speech, cut at random; `None` when there is too little of it."""
    first, last, seconds = bounds
    if seconds < SHORTEST * 0.8 or last - first < SHORTEST * RATE:
        return None
    draw = np.random.default_rng(hash_of(f"{utterance.corpus}/{utterance.name}/{turn}"))
    length = min(last - first, int(RATE * draw.uniform(SHORTEST, LONGEST)))
    start = first + int(draw.integers(0, last - first - length + 1))
    cut = activity.bounds(samples[start:start + length])
    if cut is None or cut[2] < SHORTEST * 0.8 or cut[1] - cut[0] < SHORTEST * RATE:
        return None
    return samples[start:start + cut[1]][cut[0]:]


def items(utterances, activity, ways):
    """Stretches with their labels, before any damage."""
    for utterance in utterances:
        samples = corpora.read(utterance.path)[:MOST * RATE]
        bounds = activity.bounds(samples)
        if bounds is None:
            continue
        for turn in range(TURNS.get(utterance.corpus, DEMO_TURNS)):
            wave = stretch(utterance, turn, bounds, samples, activity)
            if wave is None:
                continue
            seed = hash_of(f"{utterance.corpus}/{utterance.name}/{turn}/how")
            told = (utterance.corpus, utterance.speaker, utterance.fold, f"{utterance.name}/{turn}")
            if utterance.corpus in corpora.CORPORA:
                draw = np.random.default_rng(seed)
                shares = np.array([SHARES[name] for name in ways])
                method = str(draw.choice(list(ways), p=shares / shares.sum()))
                yield wave, 0, "", seed, told
                yield copy(wave, ways[method], draw), 1, method, seed, told
            else:
                yield wave, 1, utterance.corpus, seed, told


def damaged(batch):
    """The stretches of a batch after their damage; those of one codec go through it together."""
    hows = [draws(seed) for _, _, _, seed, _ in batch]
    waves = [damage(item[0].astype(np.float64), how) for item, how in zip(batch, hows)]
    for codec in CODECS:
        places = [at for at, how in enumerate(hows) if how["codec"] == codec]
        if places:
            for at, wave in zip(places, through(codec, [waves[at] for at in places])):
                waves[at] = wave
    return waves, hows


def save(batch, encoder, path):
    waves, hows = damaged(batch)
    ready = [frontend.equalise(wave) for wave in waves]
    encoded = [encoder(wave).astype(np.float16) for wave in ready]
    bands = [frontend.spectrogram(wave).astype(np.float16) for wave in ready]
    np.savez(
        path, encoded=np.concatenate(encoded), bands=np.concatenate(bands),
        encoded_count=[len(item) for item in encoded], bands_count=[len(item) for item in bands],
        label=[item[1] for item in batch], method=[item[2] for item in batch],
        corpus=[item[4][0] for item in batch], speaker=[item[4][1] for item in batch],
        fold=[item[4][2] for item in batch], name=[item[4][3] for item in batch],
        codec=[how["codec"] for how in hows],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    corpora.add_folders(parser)
    parser.add_argument("--synthetic", type=Path, help="what polytrain.voice.synthesisers wrote")
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder_model.ort")
    parser.add_argument("--silero", type=Path, required=True, help="silero_vad.onnx")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", default="0/1", help="which of how many parts, for several processes")
    vocoders.add_files(parser)
    args = parser.parse_args()
    part, parts = map(int, args.part.split("/"))
    args.out.mkdir(parents=True, exist_ok=True)
    found = [*corpora.utterances(args), *(synthetic(args.synthetic, args.demos) if args.synthetic else ())]
    found = [it for it in found if it.fold in ("train", "calibration") and hash_of(it.corpus + it.name) % parts == part]
    found.sort(key=lambda it: hash_of(it.name + it.corpus))
    encoder, batch, count = Encoder(args.encoder), [], 0
    for item in items(found, Activity(args.silero), {**METHODS, **vocoders.of(args)}):
        batch.append(item)
        if len(batch) >= BATCH and item[1] == 1:
            save(batch, encoder, args.out / f"{part}-{count:04}.npz")
            batch, count = [], count + 1
    if batch:
        save(batch, encoder, args.out / f"{part}-{count:04}.npz")


if __name__ == "__main__":
    main()
