# SPDX-License-Identifier: Apache-2.0
"""What happens to sound on its way: rooms, band limits, room tone, codecs. Both classes get the same, draw by draw."""

import subprocess

import numpy as np
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

RATE = 16000
LEVEL = 0.07
CODECS = {
    "opus-16": ("ogg", ["-c:a", "libopus", "-b:a", "16k"]),
    "opus-24": ("ogg", ["-c:a", "libopus", "-b:a", "24k"]),
    "opus-32": ("ogg", ["-c:a", "libopus", "-b:a", "32k"]),
    "aac-48": ("adts", ["-c:a", "aac", "-b:a", "48k"]),
    "aac-64": ("adts", ["-c:a", "aac", "-b:a", "64k"]),
    "mp3-64": ("mp3", ["-c:a", "libmp3lame", "-b:a", "64k"]),
    "speex": ("ogg", ["-c:a", "libspeex"]),
    "g722": ("g722", ["-c:a", "g722"]),
}
# Silence between stretches that go through a codec together, in samples.
BETWEEN = 8000


def loudness(wave, level=LEVEL):
    return wave * (level / (np.sqrt(np.mean(wave ** 2)) + 1e-9))


def low_pass(wave, hertz):
    return sosfilt(butter(10, hertz, fs=RATE, output="sos"), wave) if hertz < 7900 else wave


def telephone(wave):
    """300 to 3400 Hz and eight bits of mu-law."""
    wave = sosfilt(butter(6, (300, 3400), "bandpass", fs=RATE, output="sos"), wave)
    coarse = np.sign(wave) * np.log1p(255 * np.minimum(1, np.abs(wave))) / np.log(256)
    coarse = np.round(coarse * 127) / 127
    return np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255


def noise(count, colour, draw):
    """Noise whose power falls with frequency to the power of `colour`; root mean square 1."""
    spectrum = np.fft.rfft(draw.standard_normal(count))
    spectrum *= np.maximum(1, np.arange(len(spectrum)) * RATE / count / 50) ** (-colour / 2)
    made = np.fft.irfft(spectrum, count)
    return made / (np.sqrt(np.mean(made ** 2)) + 1e-9)


def room(draw):
    """A room's answer: the direct sound, some early echoes and a tail that decays."""
    decay = draw.uniform(0.08, 0.6)
    count = int(decay * RATE)
    tail = draw.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail[:int(draw.uniform(0.001, 0.01) * RATE)] = 0
    tail *= 10 ** (-draw.uniform(0, 18) / 20) / (np.sqrt(np.sum(tail ** 2)) + 1e-9)
    tail[0] = 1.0
    return tail


def draws(seed):
    """What will happen to a stretch, so that its pair can be treated alike."""
    draw = np.random.default_rng(seed)
    codec = str(draw.choice(["none", "telephone", *CODECS], p=[0.42, 0.08, 0.08, 0.1, 0.06, 0.05, 0.07, 0.06, 0.04, 0.04]))
    return {
        "speed": int(draw.integers(90, 112)) if draw.random() < 0.4 else 100,
        "room": bool(draw.random() < 0.45),
        "band": float(draw.choice([3800, 5500, 7600, 8000], p=[0.15, 0.2, 0.3, 0.35])),
        "tone_db": float(draw.uniform(-60, -35)),
        "colour": float(draw.uniform(0, 2)),
        "squash": float(draw.uniform(1, 4)) if draw.random() < 0.15 else 0.0,
        "codec": codec,
        "seed": int(draw.integers(1 << 30)),
    }


def damage(wave, how):
    """All but the codecs, which work on many at once."""
    draw = np.random.default_rng(how["seed"])
    if how["speed"] != 100:
        wave = resample_poly(wave, 100, how["speed"])
    if how["room"]:
        wave = fftconvolve(wave, room(draw))[:len(wave)]
    wave = loudness(wave)
    if how["squash"]:
        wave = np.tanh(wave * how["squash"] / LEVEL / 3) * LEVEL
    wave = low_pass(wave, how["band"])
    wave = loudness(wave) + noise(len(wave), how["colour"], draw) * 10 ** (how["tone_db"] / 20)
    return telephone(wave) if how["codec"] == "telephone" else wave


def through(codec, waves):
    """Several stretches through one codec, one after the other with silence between."""
    form, how = CODECS[codec]
    whole = np.concatenate([np.concatenate([wave, np.zeros(BETWEEN)]) for wave in waves]).astype(np.float32)
    raw = ["-f", "f32le", "-ac", "1", "-ar", str(RATE)]
    coded = subprocess.run(["ffmpeg", "-v", "error", *raw, "-i", "-", *how, "-f", form, "-"],
                           input=whole.tobytes(), capture_output=True, check=True).stdout
    call = ["ffmpeg", "-v", "error", "-f", "ogg" if form == "ogg" else {"adts": "aac"}.get(form, form), "-i", "-", *raw, "-"]
    back = np.frombuffer(subprocess.run(call, input=coded, capture_output=True, check=True).stdout, np.float32)
    lag = delay(whole[:RATE * 8], back[:RATE * 8])
    back = np.roll(np.pad(back, (0, max(0, len(whole) - len(back))))[:len(whole)], -lag)
    out, at = [], 0
    for wave in waves:
        out.append(back[at:at + len(wave)])
        at += len(wave) + BETWEEN
    return out


def delay(sent, got):
    """Samples by which the codec is late."""
    count = min(len(sent), len(got))
    match = fftconvolve(got[:count], sent[:count][::-1])
    middle = count - 1
    span = min(middle, 4000)
    return int(np.argmax(match[middle - span:middle + span + 1])) - span
