# SPDX-License-Identifier: Apache-2.0
"""Speech activity by Silero, as the product runs it."""

import numpy as np
import onnxruntime

WINDOW, CONTEXT, RATE = 512, 64, 16000
SPEECH = 0.5


class Activity:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, wave):
        """Probability of speech of each 32 ms."""
        state, before, found = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), []
        for at in range(0, len(wave) - WINDOW + 1, WINDOW):
            window = wave[at:at + WINDOW].astype(np.float32)
            given = {"input": np.concatenate([before, window])[None], "state": state, "sr": np.array(RATE, np.int64)}
            p, state = self.session.run(None, given)
            before = window[-CONTEXT:]
            found.append(float(p.squeeze()))
        return np.array(found)

    def bounds(self, wave):
        """First and last sample of speech and the seconds of it; `None` without."""
        speech = np.flatnonzero(self(wave) >= SPEECH)
        if not len(speech):
            return None
        return speech[0] * WINDOW, (speech[-1] + 1) * WINDOW, len(speech) * WINDOW / RATE
