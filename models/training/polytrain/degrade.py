# SPDX-License-Identifier: Apache-2.0
"""What streams do to pictures. A plan is drawn once and done to a manipulated picture and its original alike, so that no
degradation tells the two apart."""

import cv2
import numpy as np

WAYS = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def jpeg(picture, quality):
    """Through JPEG and back."""
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def resample(picture, factor, rng):
    """Smaller and back."""
    height, width = picture.shape[:2]
    small = (max(int(width * factor), 8), max(int(height * factor), 8))
    picture = cv2.resize(picture, small, interpolation=WAYS[rng.integers(len(WAYS))])
    return cv2.resize(picture, (width, height), interpolation=WAYS[rng.integers(len(WAYS))])


def colour(picture, rng, strength=1.0):
    """Brightness, contrast, gamma, tint and saturation."""
    table = np.arange(256, dtype=np.float32) / 255
    gain = 1 + strength * rng.normal(0, 0.15, 3) * (0.4, 0.4, 0.4) + strength * rng.normal(0, 0.12)
    lift, gamma = strength * rng.normal(0, 0.05), np.exp(strength * rng.normal(0, 0.2))
    tables = np.stack([np.clip(table**gamma * g + lift, 0, 1) * 255 for g in gain], 1).astype(np.uint8)
    picture = cv2.LUT(picture, tables[None])
    if rng.random() < 0.4:
        grey = picture.mean(2, keepdims=True)
        picture = np.clip(grey + (picture - grey) * (1 + strength * rng.normal(0, 0.25)), 0, 255).astype(np.uint8)
    return picture


class Plan:
    """One draw of all degradations but the video codec (which needs more than one picture: see `stream`)."""

    def __init__(self, rng, coded):
        self.seed = int(rng.integers(1 << 31))
        self.colour = rng.random() < 0.5
        self.grey = rng.random() < 0.15
        self.blur = rng.uniform(0.4, 1.5) if rng.random() < 0.2 else 0
        self.factor = rng.uniform(0.4, 0.9) if rng.random() < 0.25 else 1
        self.noise = rng.uniform(1, 12) if rng.random() < 0.25 else 0
        self.jpeg = int(rng.integers(35, 96)) if not coded and rng.random() < 0.65 else 0

    def __call__(self, picture):
        rng = np.random.default_rng(self.seed)
        if self.colour:
            picture = colour(picture, rng)
        if self.grey:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur)
        if self.factor < 1:
            picture = resample(picture, self.factor, rng)
        if self.noise:
            grain = rng.standard_normal(picture.shape, dtype=np.float32)
            picture = np.clip(picture + self.noise * grain + 0.5, 0, 255).astype(np.uint8)
        if self.jpeg:
            picture = jpeg(picture, self.jpeg)
        return picture
