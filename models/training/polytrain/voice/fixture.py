# SPDX-License-Identifier: Apache-2.0
"""Writes what `models/tests/voice_of_training.rs` holds the product's front end against: nobody's voice, but pulses."""

import argparse
import json
from pathlib import Path

import numpy as np

from . import frontend

# Every so many values of what comes out are kept.
WAVE_STEP, BANDS_STEP = 37, 11


def pulses():
    """1.1 s of a buzz that glides, with a pause and some noise, as 16 bit integers."""
    draw, count = np.random.default_rng(1), 17600
    time = np.arange(count) / frontend.RATE
    phase = 2 * np.pi * np.cumsum(120 + 60 * time) / frontend.RATE
    wave = sum(np.sin(k * phase) / k for k in range(1, 40)) * (0.4 + 0.3 * np.sin(2 * np.pi * 3 * time))
    wave[7000:9000] *= 0.001
    return np.round((0.2 * wave + 0.003 * draw.standard_normal(count)) * 32767).astype(np.int16)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    samples = pulses()
    wave = frontend.equalise(samples.astype(np.float64) / 32768)
    bands = frontend.spectrogram(wave).ravel()
    told = {
        "samples": "".join(f"{value & 0xffff:04x}" for value in samples.tolist()),
        "wave_step": WAVE_STEP, "wave": [round(float(value), 6) for value in wave[::WAVE_STEP]],
        "bands_step": BANDS_STEP, "bands": [round(float(value), 4) for value in bands[::BANDS_STEP]],
    }
    args.out.write_text(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
