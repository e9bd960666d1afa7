# SPDX-License-Identifier: Apache-2.0
"""Speech of synthesisers, into `<out>/<synthesiser>/*.wav` (16 kHz) and `<out>/<synthesiser>.tsv` (name, voice, text).

Piper, eSpeak NG, flite and festival are trained on; Kokoro is for testing only. Run with one core: `taskset -c 1`.
"""

import argparse
import csv
import json
import random
import re
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile

from .corpora import RATE, read
from .sentences import grid_sentences, read_sentences

ESPEAK = ("en-us", "en-gb", "en-gb-scotland", "de", "fr-fr", "es", "it", "pl", "ur", "hi", "tr", "nl", "pt-br", "sv")
VARIANTS = ("", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4", "+croak", "+whisper")
FLITE = ("kal16", "awb", "rms", "slt")
FESTIVAL = (
    "kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts", "lp_diphone", "pc_diphone",
    "suo_fi_lj_diphone", "hy_fi_mv_diphone", "czech_ph", "czech_dita", "czech_machac",
)


def espeak(text, voice, draw, to):
    speed, pitch = draw.randint(130, 200), draw.randint(25, 75)
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", to, text], check=True)


def flite(text, voice, draw, to):
    stretch = f"duration_stretch={draw.uniform(0.85, 1.2):.2f}"
    subprocess.run(["flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", to], check=True)


def festival(text, voice, draw, to):
    stretch = f"(Parameter.set 'Duration_Stretch {draw.uniform(0.85, 1.2):.2f})"
    call = ["text2wave", "-eval", f"(voice_{voice})", "-eval", stretch, "-o", to]
    subprocess.run(call, input=text, text=True, check=True, capture_output=True)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Piper:
    """One American voice; what its phoneme set lacks is left out when it reads another language's sounds."""

    def __init__(self, model):
        self.config = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
        self.session, self.rate = session(model), self.config["audio"]["sample_rate"]

    def __call__(self, text, voice, draw, to):
        known = self.config["phoneme_id_map"]
        ids = list(known["^"]) + [0]
        for phoneme in phonemes(text, voice):
            ids += [*known[phoneme], 0] if phoneme in known else []
        ids += known["$"]
        scales = [draw.uniform(0.4, 0.9), draw.uniform(0.8, 1.25), draw.uniform(0.5, 1.0)]
        sound = self.session.run(None, {
            "input": np.array([ids], np.int64), "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        })[0].squeeze()
        soundfile.write(to, sound / max(1.0, np.abs(sound).max()), self.rate)


class Kokoro:
    """English voices; phonemes by eSpeak NG, spelt as Kokoro learnt them."""

    SPELT = (
        ("aɪ", "I"), ("aʊ", "W"), ("dʒ", "ʤ"), ("eɪ", "A"), ("oʊ", "O"), ("əʊ", "Q"), ("tʃ", "ʧ"), ("ɔɪ", "Y"),
        ("əl", "ᵊl"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɬ", "l"),
    )

    def __init__(self, model, vocabulary, voices):
        self.session, self.vocabulary = session(model), json.loads(Path(vocabulary).read_text("utf-8"))["vocab"]
        self.styles = {path.stem: np.fromfile(path, np.float32).reshape(-1, 256) for path in Path(voices).glob("*.bin")}

    def __call__(self, text, voice, draw, to):
        spelt = phonemes(text, "en-gb" if voice.startswith("b") else "en-us")
        for old, new in self.SPELT:
            spelt = spelt.replace(old, new)
        if not voice.startswith("b"):
            spelt = spelt.replace("ː", "")
        tokens = [self.vocabulary[phoneme] for phoneme in spelt if phoneme in self.vocabulary]
        style = self.styles[voice][min(len(tokens), 509)]
        sound = self.session.run(None, {
            "tokens": np.array([[0, *tokens, 0]], np.int64), "style": style.reshape(1, 256),
            "speed": np.array([draw.uniform(0.85, 1.2)], np.float32),
        })[0].squeeze()
        soundfile.write(to, sound / max(1.0, np.abs(sound).max()), 24000)


def phonemes(text, voice):
    call = ["espeak-ng", "-q", "--ipa", "-v", voice, text]
    told = subprocess.run(call, capture_output=True, check=True, text=True).stdout
    return re.sub(r"\([a-z-]+\)", "", told).strip().replace("\n", " ").replace("_", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("synthesiser", choices=("piper", "espeak", "flite", "festival", "kokoro"))
    parser.add_argument("--transcript", required=True, type=Path, help="LJ Speech's transcript.csv")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--count", required=True, type=int, help="a third says sentences of GRID's grammar")
    parser.add_argument("--model", type=Path, help="Piper's or Kokoro's ONNX file")
    parser.add_argument("--vocabulary", type=Path, help="Kokoro's vocab.json")
    parser.add_argument("--voices", type=Path, help="Kokoro's folder of voices (*.bin)")
    args = parser.parse_args()
    seed = f"{args.synthesiser}-1"
    draw = random.Random(seed)
    speak, voices = {
        "espeak": lambda: (espeak, [voice + variant for voice in ESPEAK for variant in VARIANTS]),
        "flite": lambda: (flite, FLITE),
        "festival": lambda: (festival, FESTIVAL),
        "piper": lambda: (Piper(args.model), ("en-us", "en-us", "en-gb", "de", "fr-fr", "es", "hi")),
        "kokoro": lambda: (
            Kokoro(args.model, args.vocabulary, args.voices),
            sorted(path.stem for path in args.voices.glob("*.bin") if path.stem[0] in "ab"),
        ),
    }[args.synthesiser]()
    share = args.count // (2 if args.synthesiser == "kokoro" else 3)
    texts = grid_sentences(seed, share) + read_sentences(
        args.transcript, seed, args.count - share, train=args.synthesiser != "kokoro")
    draw.shuffle(texts)
    folder = args.out / args.synthesiser
    folder.mkdir(parents=True, exist_ok=True)
    with open(args.out / f"{args.synthesiser}.tsv", "w", encoding="utf-8", newline="") as listing:
        rows = csv.writer(listing, delimiter="\t")
        for at, text in enumerate(texts):
            voice = voices[at % len(voices)]
            to = folder / f"{at:04}.wav"
            speak(text, voice, draw, str(to))
            samples = read(to)
            soundfile.write(to, samples, RATE)
            rows.writerow((f"{at:04}", voice, text))
            listing.flush()


if __name__ == "__main__":
    main()
