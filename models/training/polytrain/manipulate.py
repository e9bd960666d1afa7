# SPDX-License-Identifier: Apache-2.0
"""Manipulations for TESTING only, made another way than the ones in `blends` and with other resamplers and codecs: what a
detector finds here it was not taught.

- `poisson-face`: somebody else's face, cloned by Poisson blending (Perez et al., SIGGRAPH 2003) through a hull around
  the six points.
- `mouth-transplant`: the mouth of another clip of the same person, Poisson-blended frame by frame.
- `mouth-paste`: the mouth of another moment, feathered by distance and not by blur, Lanczos-resampled at 96 pixels a
  face as lip-sync networks work.
- `mouth-soft`: the person's own mouth, shrunk and blown up, as a generator leaves it.
"""

import cv2
import numpy as np

KINDS = ("poisson-face", "mouth-transplant", "mouth-paste", "mouth-soft")


def hull(points, mouth_only, size):
    """A filled convex hull `[H,W]` of bytes around the face or the mouth."""
    right, left, nose, mouth = (points[at].astype(np.float64) for at in range(4))
    eyes, across = (right + left) / 2, (left - right) / 2
    down = mouth - eyes
    if mouth_only:
        corners = [mouth - 0.75 * across - 0.18 * down, mouth + 0.75 * across - 0.18 * down,
                   mouth + 0.85 * across + 0.15 * down, mouth + 0.45 * across + 0.42 * down,
                   mouth - 0.45 * across + 0.42 * down, mouth - 0.85 * across + 0.15 * down]
    else:
        corners = [eyes - 1.5 * across - 0.45 * down, eyes + 1.5 * across - 0.45 * down, eyes + 1.6 * across + 0.4 * down,
                   mouth + 1.1 * across + 0.25 * down, mouth + 0.4 * across + 0.5 * down,
                   mouth - 0.4 * across + 0.5 * down, mouth - 1.1 * across + 0.25 * down, eyes - 1.6 * across + 0.4 * down]
    mask = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(corners).astype(np.int32)), 255)
    return mask


def onto(picture, its_points, points, size, way):
    """The donor's picture with its eyes and mouth on the target's."""
    matrix = cv2.getAffineTransform(its_points[[0, 1, 3]].astype(np.float32), points[[0, 1, 3]].astype(np.float32))
    return cv2.warpAffine(picture, matrix, size[::-1], flags=way, borderMode=cv2.BORDER_REFLECT)


def clone(source, target, mask):
    """Poisson blending; the target where the mask touches the picture's edge."""
    inner = mask.copy()
    inner[:2], inner[-2:], inner[:, :2], inner[:, -2:] = 0, 0, 0, 0
    x, y, w, h = cv2.boundingRect(inner)
    if w < 4 or h < 4:
        return target
    return cv2.seamlessClone(source, target, inner, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)


def manipulate(kind, picture, points, donor, donor_points):
    """One frame, RGB bytes; points are the face's six, in pixels."""
    size = picture.shape[:2]
    if kind == "poisson-face":
        return clone(onto(donor, donor_points, points, size, cv2.INTER_CUBIC), picture, hull(points, False, size))
    mask = hull(points, True, size)
    if kind == "mouth-transplant":
        return clone(onto(donor, donor_points, points, size, cv2.INTER_CUBIC), picture, mask)
    if kind == "mouth-paste":
        span = np.hypot(*(points[1] - points[0]))
        factor = min(1.0, 96 / (3.2 * span))
        small = cv2.resize(onto(donor, donor_points, points, size, cv2.INTER_LANCZOS4), None, fx=factor * 0.75, fy=factor * 0.75, interpolation=cv2.INTER_LANCZOS4)
        source = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LANCZOS4)
    else:
        small = cv2.resize(picture, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
        source = cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    reach = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    alpha = np.clip(reach / max(0.25 * reach.max(), 1), 0, 1)[:, :, None]
    return np.round(source * alpha + picture * (1 - alpha)).astype(np.uint8)
