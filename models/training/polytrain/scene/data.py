# SPDX-License-Identifier: Apache-2.0
"""Packed pictures, and what training does to them."""

import csv
from pathlib import Path

import cv2
import numpy as np
import torch

from .groups import CLASSES
from .pack import SIDE


class Pictures:
    """One part of what `pack` wrote: `train`, `choose`, `test`, `intel-test`, `fifteen`."""

    def __init__(self, folder, part):
        folder = Path(folder)
        with (folder / "pictures.tsv").open() as file:
            self.rows = [row for row in csv.DictReader(file, delimiter="\t") if row["part"] == part]
        self.file = np.memmap(folder / "pictures.bin", np.uint8, "r")
        known = {name: at for at, name in enumerate(CLASSES)}
        self.label = np.array([known.get(row["class"], -1) for row in self.rows])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, at):
        """BGR `[128,128,3]`."""
        row = self.rows[at]
        begin = int(row["offset"])
        return cv2.imdecode(np.asarray(self.file[begin : begin + int(row["bytes"])]), cv2.IMREAD_COLOR)


def tensor(pictures):
    """BGR pictures to `[N,3,S,S]` RGB in 0..1."""
    array = np.stack(pictures)[..., ::-1].astype(np.float32) / 255.0
    return torch.from_numpy(array.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)


def cropped(picture, rng, side):
    """A part of the picture with its sides' ratio kept within 3:4 and 4:3, mirrored half of the time, `side` pixels each way."""
    area, ratio = rng.uniform(0.35, 1.0) * SIDE * SIDE, np.exp(rng.uniform(-0.29, 0.29))
    width, height = min(SIDE, int((area * ratio) ** 0.5)), min(SIDE, int((area / ratio) ** 0.5))
    left, top = int(rng.integers(0, SIDE - width + 1)), int(rng.integers(0, SIDE - height + 1))
    part = picture[top : top + height, left : left + width]
    part = cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)
    return part[:, ::-1] if rng.random() < 0.5 else part


def coloured(picture, rng):
    """Other exposure, contrast and saturation; one in four is grey, as old programmes are."""
    picture = picture.astype(np.float32)
    if rng.random() < 0.25:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    elif rng.random() < 0.5:
        grey = picture.mean(2, keepdims=True)
        picture = grey + (picture - grey) * rng.uniform(0.5, 1.5)
    picture = (picture - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-25, 25)
    return np.clip(picture, 0, 255).astype(np.uint8)


def worn(picture, rng):
    """As small, soft or coded as streams are: no source is softer than the others, for all are."""
    if rng.random() < 0.4:
        whole, side = picture.shape[0], int(rng.integers(48, 110))
        picture = cv2.resize(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), (whole, whole), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.35:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 75))])[1]
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return picture


def augmented(picture, rng, side):
    """One picture as training sees it, `side` pixels each way."""
    return worn(coloured(cropped(picture, rng, side), rng), rng)
