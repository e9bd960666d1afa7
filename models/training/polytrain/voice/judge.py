# SPDX-License-Identifier: Apache-2.0
"""The product's way from a recording to one logit, in Python: stretches of the last 4 s, joined by how much was spoken.

Mirrors `pipeline/core/src/voice.rs`. Recordings that it refuses (too little speech) have no logit.
"""

import numpy as np
import onnxruntime

from . import frontend

PIECE, PIECES, HOP = 512, 125, 31
RATE = 16000
SPEECH = 0.5


def stretches(wave, speech):
    """Samples and pieces of speech of each stretch that is judged, of a recording and its speech probabilities."""
    spoken, waited, spoke = speech >= SPEECH, 0, False
    for at in range(1, len(spoken) + 1):
        window = np.flatnonzero(spoken[max(0, at - PIECES):at])
        enough, waited = len(window) * PIECE >= RATE, waited + 1
        if waited < HOP and (spoke or not enough):
            continue
        waited, spoke = 0, enough
        if enough:
            first = max(0, at - PIECES)
            yield at, wave[(first + window[0]) * PIECE:(first + window[-1] + 1) * PIECE], len(window)


def inputs(wave, activity, encoder):
    """What the network gets of each stretch: (when, features, bands, pieces of speech)."""
    wave = np.pad(wave, (0, -len(wave) % PIECE)).astype(np.float32)
    told = []
    for at, samples, count in stretches(wave, activity(wave)):
        ready = frontend.equalise(samples.astype(np.float64))
        told.append((at, encoder(ready), frontend.spectrogram(ready), count))
    return told


def logit(score, told):
    """The last word on a recording: the mean of the last 4 s' stretches, each by its speech. `None` when none was judged."""
    late = [it for it in told if told[-1][0] - it[0] < PIECES]
    if not late:
        return None
    return float(np.average([score(features, bands) for _, features, bands, _ in late], weights=[it[3] for it in late]))


def network(path):
    """The score of a stretch by an ONNX file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda features, bands: session.run(None, {"features": features[None], "bands": bands[None]})[0][0]
