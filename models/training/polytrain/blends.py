# SPDX-License-Identifier: Apache-2.0
"""Manipulated faces made of genuine ones, while training.

After self-blended images (Shiohara and Yamasaki, CVPR 2022) and their regional successors (SAVe, arXiv 2603.25140): a
source, which is the face itself, another moment of the same person or somebody else, is put into the target through a
soft mask over the whole face, its lower part, the mouth or the eyes. The masks are drawn from BlazeFace's six points.
"""

import cv2
import numpy as np

from . import degrade

KINDS = ("whole", "lower", "mouth", "eyes")
CHANCES = (0.35, 0.2, 0.33, 0.12)


def blend(target, points, other, rng):
    """`target` `[H,W,3]` bytes with `points [6,2]`; `other`: picture and points of the donor, or None for the target itself.

    Gives the manipulated picture and its mask `[H,W]`, 0..1.
    """
    kind = KINDS[rng.choice(len(KINDS), p=CHANCES)]
    source = target.copy() if other is None else aligned(*other, target, points)
    mask = region(kind, points, target.shape[:2], rng)
    if other is not None:
        source = recolour(source, target, mask)
    source = disturb(source, points, kind, rng, strong=other is None)
    ratio = rng.choice([0.5, 0.75, 1.0, 1.0, 1.0, 1.0])
    alpha = (mask * ratio)[:, :, None]
    mixed = source.astype(np.float32) * alpha + target.astype(np.float32) * (1 - alpha)
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8), mask


def aligned(picture, its_points, target, points):
    """The donor's picture, moved so that its eyes and mouth lie on the target's."""
    from_, to = its_points[[0, 1, 3]].astype(np.float32), points[[0, 1, 3]].astype(np.float32)
    matrix, _ = cv2.estimateAffinePartial2D(from_, to, method=cv2.LMEDS)
    if matrix is None:
        matrix = cv2.getAffineTransform(from_, to)
    height, width = target.shape[:2]
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def recolour(source, target, mask):
    """Gives the source the target's mean and deviation inside of the mask, channel by channel (after Reinhard, 2001)."""
    inside = mask > 0.5
    if inside.sum() < 32:
        return source
    s, t = source[inside].astype(np.float32), target[inside].astype(np.float32)
    gain = np.clip((t.std(0) + 4) / (s.std(0) + 4), 0.6, 1.6)
    return np.clip((source - s.mean(0)) * gain + t.mean(0), 0, 255).astype(np.uint8)


def region(kind, points, size, rng):
    """A soft mask `[H,W]`, 0..1."""
    height, width = size
    right, left, nose, mouth = points[0], points[1], points[2], points[3]
    eyes, across = (right + left) / 2, left - right
    span = max(float(np.hypot(*across)), 4.0)
    angle = np.degrees(np.arctan2(across[1], across[0]))
    down = mouth - eyes
    tall = max(float(np.hypot(*down)), 4.0)
    jitter = lambda low, high: float(rng.uniform(low, high))
    if kind == "whole":
        centre, axes = eyes + 0.42 * down, (span * jitter(0.85, 1.15), tall * jitter(0.95, 1.4))
    elif kind == "lower":
        centre, axes = eyes + jitter(0.85, 1.1) * down, (span * jitter(0.65, 1.0), tall * jitter(0.5, 0.8))
    elif kind == "mouth":
        centre, axes = mouth + 0.05 * down, (span * jitter(0.35, 0.7), tall * jitter(0.22, 0.5))
    else:
        centre, axes = eyes, (span * jitter(0.75, 1.0), tall * jitter(0.2, 0.4))
    centre = centre + rng.normal(0, 0.03 * span, 2)
    mask = np.zeros((height, width), np.float32)
    if rng.random() < 0.5:
        ellipse = (tuple(map(float, centre)), tuple(float(2 * axis) for axis in axes), float(angle + rng.normal(0, 4)))
        cv2.ellipse(mask, ellipse, 1.0, -1, cv2.LINE_AA)
    else:
        around = np.arange(12) / 12 * 2 * np.pi + rng.normal(0, 0.08, 12)
        radius = 1 + rng.normal(0, 0.1, 12)
        turn = np.radians(angle)
        x, y = np.cos(around) * axes[0] * radius, np.sin(around) * axes[1] * radius
        hull = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1) + centre
        cv2.fillPoly(mask, [hull.round().astype(np.int32)], 1.0, cv2.LINE_AA)
    mask = warp(mask, rng, 0.06 * span, span / 2)
    soft = span * rng.choice([jitter(0.01, 0.05), jitter(0.05, 0.2)])
    return np.clip(cv2.GaussianBlur(mask, (0, 0), max(soft, 0.5)), 0, 1)


def warp(picture, rng, amount, smooth):
    """Elastic deformation (Simard et al., 2003) on a coarse grid: shifts of about `amount` pixels, smooth over `smooth`."""
    height, width = picture.shape[:2]
    cells = (max(int(height / smooth), 2), max(int(width / smooth), 2))
    dx, dy = (cv2.resize(rng.normal(0, amount, cells).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC) for _ in range(2))
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(picture, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def disturb(source, points, kind, rng, strong):
    """What makes the source foreign: place, colour, resolution, sharpness, compression. At least one of them."""
    span = max(float(np.hypot(*(points[1] - points[0]))), 4.0)
    height, width = source.shape[:2]
    done = False
    while not done:
        if rng.random() < (0.6 if strong else 0.2):
            shift, turn, size = rng.normal(0, 0.03 * span, 2), rng.normal(0, 1.5), rng.normal(1, 0.025)
            matrix = cv2.getRotationMatrix2D(tuple(map(float, points[2])), float(turn), float(size))
            matrix[:, 2] += shift
            source = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            done = True
        if rng.random() < (0.25 if strong else 0.1):
            source = warp(source, rng, 0.025 * span, span / 2)
            done = True
        if rng.random() < 0.4:
            source = degrade.colour(source, rng, 0.6)
            done = True
        # Lip-sync and face-swap networks work at 96 to 256 pixels a face and leave the region soft.
        if rng.random() < (0.65 if kind in ("mouth", "lower") else 0.4):
            source = degrade.resample(source, rng.uniform(0.3, 0.85), rng)
            done = True
        if rng.random() < 0.25:
            source = cv2.GaussianBlur(source, (0, 0), rng.uniform(0.4, 0.05 * span + 0.5))
            done = True
        if rng.random() < 0.12:
            soft = cv2.GaussianBlur(source, (0, 0), 1.2)
            source = cv2.addWeighted(source, 1.8, soft, -0.8, 0)
            done = True
        if rng.random() < 0.15:
            source = degrade.jpeg(source, int(rng.integers(25, 75)))
            done = True
        done = done or not strong
    return source
