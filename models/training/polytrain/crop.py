# SPDX-License-Identifier: Apache-2.0
"""The crop that the network sees, the same as `models/src/picture/crop.rs`.

A square of 0.95 of BlazeFace's box around the box's centre, turned so that the eyes lie level, 128x128, each output
pixel the mean of k x k bilinear samples with k = ceil(side / 128), so that shrinking does not alias.
"""

import cv2
import numpy as np

SIDE = 128
SCALE = 0.95
MOST_TAPS = 8
# Crops of which more than this lies outside of the picture are neither trained on nor scored.
MOST_PADDING = 0.05


def square(box, points):
    """`(cx, cy, side, angle)` in pixels of a picture with square pixels; box `[x, y, w, h]`, points `[[x, y]] * 6`."""
    x, y, w, h = box
    (rx, ry), (lx, ly) = points[0], points[1]
    return x + w / 2, y + h / 2, SCALE * (w + h) / 2, float(np.arctan2(ly - ry, lx - rx))


def grid(cx, cy, side, angle, count):
    """Where `count` x `count` samples lie, in pixels from the top left corner of the top left pixel."""
    at = (np.arange(count, dtype=np.float64) + 0.5) / count - 0.5
    u, v = np.meshgrid(at, at)
    cos, sin = np.cos(angle), np.sin(angle)
    return cx + side * (u * cos - v * sin), cy + side * (u * sin + v * cos)


def padding(place, width, height):
    """The part of the crop's pixels that lie outside of the picture, 0..1."""
    x, y = grid(*place, SIDE)
    return float(np.mean((x < 0) | (y < 0) | (x >= width) | (y >= height)))


def crop(picture, place, size=SIDE):
    """`picture` `[H,W,C]` of bytes or floats to `[size,size,C]` of floats of the same range."""
    cx, cy, side, angle = place
    taps = int(np.clip(np.ceil(side / size), 1, MOST_TAPS))
    x, y = grid(cx, cy, side, angle, size * taps)
    # cv2 counts from the centre of the first pixel.
    maps = (x - 0.5).astype(np.float32), (y - 0.5).astype(np.float32)
    fine = cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if taps == 1:
        return fine.astype(np.float32)
    return cv2.resize(fine.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def points_in_crop(points, place, size=SIDE):
    """Points of the picture in pixels of the crop."""
    cx, cy, side, angle = place
    d = np.asarray(points, np.float64) - (cx, cy)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack([d[:, 0] * cos + d[:, 1] * sin, -d[:, 0] * sin + d[:, 1] * cos], 1)
    return (turned / side + 0.5) * size
