# SPDX-License-Identifier: Apache-2.0
"""Pictures that show no scene, for training: black, flat, bars, cards of text, charts, static. The tests paint theirs with other
programs and fonts (`testset.py`)."""

import cv2
import numpy as np

SIDE = 256


def colour(rng):
    return tuple(int(value) for value in rng.integers(0, 256, 3))


def flat(rng):
    level = rng.integers(0, 30) if rng.random() < 0.4 else None
    return np.full((SIDE, SIDE, 3), level if level is not None else colour(rng), np.uint8)


def gradient(rng):
    corners = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return cv2.resize(corners, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def blobs(rng):
    tiny = rng.integers(0, 256, (int(rng.integers(3, 9)), int(rng.integers(3, 9)), 3)).astype(np.uint8)
    return cv2.resize(tiny, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def bars(rng):
    count = int(rng.integers(3, 12))
    row = rng.integers(0, 2, (1, count, 3)) * int(rng.integers(120, 256))
    picture = cv2.resize(row.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        picture[int(rng.integers(120, 220)):] = colour(rng)
    return picture if rng.random() < 0.7 else np.ascontiguousarray(picture.transpose(1, 0, 2))


def static(rng):
    side = int(rng.choice([64, 128, 256]))
    channels = int(rng.choice([1, 3]))
    noise = np.clip(rng.normal(128, rng.uniform(10, 80), (side, side, channels)), 0, 255).astype(np.uint8)
    return cv2.resize(np.repeat(noise, 3 // channels, 2), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


def background(rng):
    return (flat, gradient, blobs)[int(rng.integers(3))](rng)


def words(rng):
    return " ".join("".join(chr(97 + int(c)) for c in rng.integers(0, 26, int(rng.integers(2, 9)))) for _ in range(int(rng.integers(1, 6))))


def text(rng):
    picture = background(rng).copy()
    ink, size = colour(rng), rng.uniform(0.4, 1.4)
    for line in range(int(rng.integers(1, 10))):
        line_text = words(rng).upper() if rng.random() < 0.4 else words(rng)
        at = (int(rng.integers(-10, 60)), int(20 + line * 28 * size))
        cv2.putText(picture, line_text, at, int(rng.integers(0, 8)), size, ink, int(rng.integers(1, 4)), cv2.LINE_AA)
    return picture


def chart(rng):
    picture = background(rng).copy()
    count = int(rng.integers(3, 12))
    values = rng.integers(20, 220, count)
    if rng.random() < 0.5:
        for at, value in enumerate(values):
            left = 10 + at * 230 // count
            cv2.rectangle(picture, (left, 245 - int(value)), (left + 180 // count, 245), colour(rng), -1)
    else:
        points = np.stack([np.linspace(10, 245, count), 245 - values], 1).astype(np.int32)
        cv2.polylines(picture, [points], False, colour(rng), int(rng.integers(1, 5)), cv2.LINE_AA)
    for row in range(int(rng.integers(0, 6))):
        cv2.line(picture, (0, 40 * row + 20), (255, 40 * row + 20), colour(rng), 1)
    if rng.random() < 0.6:
        cv2.putText(picture, words(rng), (10, 25), int(rng.integers(0, 8)), 0.6, colour(rng), 1, cv2.LINE_AA)
    return picture


def shapes(rng):
    picture = background(rng).copy()
    for _ in range(int(rng.integers(1, 9))):
        a, b = (tuple(int(v) for v in rng.integers(0, 256, 2)) for _ in range(2))
        kind = int(rng.integers(3))
        if kind == 0:
            cv2.rectangle(picture, a, b, colour(rng), -1)
        elif kind == 1:
            cv2.circle(picture, a, int(rng.integers(5, 90)), colour(rng), -1, cv2.LINE_AA)
        else:
            cv2.ellipse(picture, a, (int(rng.integers(10, 90)), int(rng.integers(10, 90))), 0, 0, 360, colour(rng), -1)
    return picture


KINDS = (flat, gradient, blobs, bars, static, text, text, chart, shapes)


def paint(rng):
    """One BGR picture `[256,256,3]`."""
    return KINDS[int(rng.integers(len(KINDS)))](rng)
