# SPDX-License-Identifier: Apache-2.0
"""Whether anything but the voice tells the classes of the test apart, as the network gets it.

Each shortcut's AUC (0.5: it tells nothing; the better of both directions), spectra by a logistic model, and a logistic
model of them all; models are measured on folds that they weren't fitted to. Beside them each corpus against Kokoro, and how
well the shortcuts tell corpora apart. Prints, and with `--out` writes, JSON; `--limit` makes it fail where a shortcut is worth
more on the whole test.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from . import frontend

# Level under the loudest frame, in decibels, from which on a frame is silent.
SILENT_DB = 30.0
# Where `--limit` holds: on the whole test, whose classes were made alike. Single corpora against one synthesiser are shown.
WHOLE = ("all genuine against all synthetic", "genuine against their copies")
EDGES = (80, 500, 1500, 3400, 5500, 7600)


def measures(path):
    """Features of one item after the front end."""
    wave = frontend.equalise(soundfile.read(path, dtype="float32")[0])
    power = np.abs(np.fft.rfft(frontend.frames(wave.astype(np.float64), 160) * frontend.HANN)) ** 2
    energy = 10 * np.log10(power.sum(axis=1) + 1e-9)
    loud = np.flatnonzero(energy > energy.max() - SILENT_DB)
    spectrum = power.mean(axis=0)
    bands = [10 * np.log10(spectrum[(frontend.BINS >= low) & (frontend.BINS < high)].mean() + 1e-9)
             for low, high in zip(EDGES[:-1], EDGES[1:])]
    fine = [10 * np.log10(spectrum[members].mean() + 1e-9) for members in frontend.MEMBERS]
    return {
        "leading silence": [loud[0] / 100], "trailing silence": [(len(energy) - 1 - loud[-1]) / 100],
        "length": [len(wave) / 16000], "loudness": [10 * np.log10(np.mean(wave ** 2) + 1e-12)],
        "noise floor": [float(np.percentile(energy, 5))], "band energy": bands, "long-term spectrum": fine,
    }


def model():
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))


def auc(values, label):
    """Of one number as it is, of several by a model that didn't see the item."""
    values = np.asarray(values, np.float64)
    if values.shape[1] == 1:
        found = roc_auc_score(label, np.round(values[:, 0], 4))
        return max(found, 1 - found)
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    return roc_auc_score(label, cross_val_predict(model(), values, label, cv=folds, method="decision_function"))


def table(rows, found):
    """AUC of each shortcut on some rows."""
    label = np.array([row["label"] == "manipulated" for row in rows]).astype(int)
    told = {name: round(float(auc([found[row["path"]][name] for row in rows], label)), 3) for name in next(iter(found.values()))}
    together = [np.concatenate(list(found[row["path"]].values())) for row in rows]
    told["all of them"] = round(float(auc(together, label)), 3)
    return {"genuine": int((label == 0).sum()), "synthetic": int(label.sum()), **told}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what polytrain.voice.testset made")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = [row for row in csv.DictReader(open(args.folder / "manifest.csv", encoding="utf-8")) if row["split"] == args.split]
    found = {row["path"]: measures(args.folder / row["path"]) for row in rows}
    genuine = [row for row in rows if row["label"] == "genuine"]
    kokoro = [row for row in rows if row["manipulation"] == "kokoro"]
    copies = [row for row in rows if row["label"] == "manipulated" and row["pair"]]
    told = {name: table(these, found) for name, these in zip(WHOLE, (rows, genuine + copies))}
    for corpus in sorted({row["corpus"] for row in genuine}):
        mine = [row for row in genuine if row["corpus"] == corpus]
        if len(mine) >= 20 and len(kokoro) >= 20:
            told[f"{corpus} against Kokoro"] = table(mine + kokoro, found)
    label = np.array([row["corpus"] for row in genuine])
    together = np.array([np.concatenate(list(found[row["path"]].values())) for row in genuine])
    guess = cross_val_predict(model(), together, label, cv=StratifiedKFold(3, shuffle=True, random_state=1))
    told["corpus of a genuine item, by all shortcuts"] = {
        "accuracy": round(float(np.mean(guess == label)), 3),
        "most frequent": round(float(max(np.mean(label == one) for one in set(label))), 3),
    }
    text = json.dumps(told, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")
    if args.limit:
        over = [(where, name, value) for where in WHOLE for name, value in told[where].items()
                if isinstance(value, float) and value > args.limit]
        if over:
            sys.exit(f"shortcuts over {args.limit}: {over}")


if __name__ == "__main__":
    main()
