# SPDX-License-Identifier: Apache-2.0
"""What Moonshine's encoder makes of sound, on the axis of steps, as a stream has it: from windows that end where the sound ends.

`plugins`' polyspeech does the same. A partial listens to the second before the first step that it hasn't settled and to all that has come since;
the last 320 ms stay provisional, for the encoder hears to both sides, and are listened to again by the next."""

import torch

from ..lips.export import session
from .network import HEARD, LEAD

STEP, STRIDE, CENTRE = 640, 384, 447
"""Samples of a step, between two of the encoder's frames, and from its beginning to the middle of the first: three convolutions of 127, 7 and 3
with strides of 64, 3 and 2 (Moonshine's preprocessor)."""
WINDOW, PROVISIONAL = 25, 8
"""Steps listened to before the first new one, and the last ones, that are listened to again."""


class Encoder:
    """Moonshine's, on one core: `weights` is the file that `polygraph models fetch` keeps."""

    def __init__(self, weights):
        self.runs = session(weights)

    def frames(self, waves):
        """`[B,samples]` -> `[B,frames,288]`."""
        return torch.from_numpy(self.runs.run(None, {"input_values": waves.numpy(), "attention_mask": torch.ones(waves.shape, dtype=torch.int64).numpy()})[0])

    def at_steps(self, waves, first, end):
        """Of steps `first` to `end` of `waves`, which begin with step 0: between the two nearest frames, straight."""
        frames = self.frames(waves)
        last = frames.shape[1] - 1
        place = (((torch.arange(first, end) + 0.5) * STEP - CENTRE) / STRIDE).clamp(0, last)
        low = place.long()
        part = (place - low)[None, :, None]
        return frames[:, low] * (1 - part) + frames[:, (low + 1).clamp(max=last)] * part

    def __call__(self, waves, ends=()):
        """`[B,160+T*640]` -> `[B,T,288]`, as heard by partials that end with so many steps, and a final at the end."""
        count = (waves.shape[1] - LEAD) // STEP
        heard, settled = torch.zeros(len(waves), count, HEARD), 0
        for end in (*(end for end in ends if end < count), count):
            upto = count if end == count else end - PROVISIONAL
            if upto > settled:
                begin = max(0, settled - WINDOW)
                window = waves[:, LEAD + begin * STEP : LEAD + end * STEP]
                heard[:, settled:upto] = self.at_steps(window, settled - begin, upto - begin)
                settled = upto
        return heard


class Ears:
    """All that the recogniser gets of a wave: (log-mel `[B,T,160]`, the encoder's `[B,T,288]`)."""

    def __init__(self, mel, encoder):
        self.mel, self.encoder = mel, encoder

    def __call__(self, waves, there=None, ends=()):
        """`there` `[B]`: whose sound there is; the encoder is dear."""
        mel = self.mel(waves)
        heard = torch.zeros(*mel.shape[:2], HEARD)
        there = torch.ones(len(waves), dtype=torch.bool) if there is None else there
        if there.any():
            heard[there] = self.encoder(waves[there], ends)
        return mel, heard
