# SPDX-License-Identifier: Apache-2.0
"""Pairs for training: a manipulated picture with its own original, both degraded and cropped alike."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from . import blends, crop, degrade, stream
from .extract import hash_of
from .network import CELLS

# Where pairs come from; the DFDC fakes are the only manipulations that are not made here.
DFDC_FAKES = "dfdc-fakes"
SHARES = {DFDC_FAKES: 0.4, "dfdc": 0.17, "lfw": 0.15, "masks": 0.06, "grid": 0.08, "talk": 0.14}
# Part of the pairs that go through a video codec.
CODED = 0.35
# A person of the stills is held out for calibration when their name's hash says so; of the few who talk, more are.
HELD_OUT = 10
HELD_OUT_TALKING = 3


@dataclass
class Faces:
    """The rows of one `extract` result (all its parts)."""

    path: np.ndarray
    person: np.ndarray
    original: np.ndarray
    box: np.ndarray
    points: np.ndarray

    @classmethod
    def load(cls, folder: Path, name: str):
        files = sorted(Path(folder).glob(f"{name}.*of*.npz"))
        if not files:
            raise SystemExit(f"{folder} has no {name}.*.npz: run `python -m polytrain.extract` for it first")
        parts = [np.load(file) for file in files]
        return cls(*(np.concatenate([part[column] for part in parts]) for column in ("path", "person", "original", "box", "points")))

    def where(self, mask):
        return Faces(*(getattr(self, column)[mask] for column in ("path", "person", "original", "box", "points")))

    def __len__(self):
        return len(self.path)


def held_out(person: str, one_in: int = HELD_OUT) -> bool:
    """Whether a person of the stills or of the clips is kept for calibration."""
    return hash_of(person) % one_in == 0


def of_fold(folder: Path, folds: dict, fold: str):
    """The DFDC faces of the persons of a fold, genuine and fake."""
    every = Faces.load(folder, "dfdc")
    return every.where(np.array([folds.get(str(person)) == fold for person in every.person]))


def dfdc_faces(folder: Path, folds: dict, fold: str):
    """`{source: Faces}` of the same: the genuine ones and their fakes."""
    mine = of_fold(folder, folds, fold)
    genuine = mine.original == ""
    return {"dfdc": mine.where(genuine), DFDC_FAKES: mine.where(~genuine)}


def still_faces(folder: Path, held: bool):
    """`{source: Faces}` of the people of the stills and clips who are held out for calibration, or of all others."""
    found = {}
    for name, one_in in (("lfw", HELD_OUT), ("masks", HELD_OUT), ("talk", HELD_OUT_TALKING)):
        faces = Faces.load(folder, name)
        found[name] = faces.where(np.array([held_out(str(person), one_in) == held for person in faces.person]))
    return found


def training_faces(folder: Path, folds: dict):
    """`{source: Faces}` of the training persons only."""
    return dfdc_faces(folder, folds, "train") | {"grid": Faces.load(folder, "grid")} | still_faces(folder, held=False)


@dataclass
class Seen:
    """A picture on its way: RGB bytes, the detector's box and points in its pixels, and the mask of what was put in."""

    picture: np.ndarray
    box: np.ndarray
    points: np.ndarray
    mask: np.ndarray | None = None

    def scaled(self, factor):
        height, width = self.picture.shape[:2]
        size = max(int(width * factor), 16), max(int(height * factor), 16)
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        fx, fy = size[0] / width, size[1] / height
        return Seen(cv2.resize(self.picture, size, interpolation=how), self.box * (fx, fy, fx, fy), self.points * (fx, fy))

    def cut(self, margin):
        """Only the face and `margin` of its box around it."""
        height, width = self.picture.shape[:2]
        x, y, w, h = self.box
        x0, y0 = max(int(x - margin * w), 0), max(int(y - margin * h), 0)
        x1, y1 = min(int(x + (1 + margin) * w) + 1, width), min(int(y + (1 + margin) * h) + 1, height)
        return Seen(self.picture[y0:y1, x0:x1], self.box - (x0, y0, 0, 0), self.points - (x0, y0))

    def moved(self, by):
        return Seen(self.picture, self.box + (*by, 0, 0), self.points + by, self.mask)


class Maker:
    """Draws pairs for ever, from sources by their shares."""

    def __init__(self, faces, seed, shares=None):
        self.faces = faces
        self.rng = np.random.default_rng(seed)
        shares = shares or SHARES
        self.names, self.chances = list(shares), np.array(list(shares.values()))
        genuine = faces["dfdc"]
        self.original = {name: at for at, name in enumerate(genuine.person)}
        fakes = faces[DFDC_FAKES]
        self.fakes = np.flatnonzero([name in self.original for name in fakes.original])
        self.same = {}
        # A DFDC row's person is its own video: there is no other moment of it.
        for source in faces.keys() - {"dfdc", DFDC_FAKES}:
            groups = {}
            for at, person in enumerate(faces[source].person):
                groups.setdefault(person, []).append(at)
            self.same[source] = groups

    def read(self, faces, at):
        rgb = cv2.imread(str(faces.path[at]))[:, :, ::-1]
        look = self.rng.integers(faces.box.shape[1])
        return Seen(np.ascontiguousarray(rgb), faces.box[at, look].astype(np.float64), faces.points[at, look].astype(np.float64))

    def donor(self, source, at):
        """Another moment of the same person, or somebody else; None for the face itself."""
        chance = self.rng.random()
        faces = self.faces[source]
        if chance < 0.5:
            return None
        group = self.same.get(source, {}).get(faces.person[at], [])
        if chance < 0.85 and len(group) > 1:
            return self.read(faces, group[self.rng.integers(len(group))])
        return self.read(faces, self.rng.integers(len(faces))) if chance > 0.72 else None

    def raw(self, largest):
        """`(genuine, manipulated)` at a size between 48 and `largest` pixels a face."""
        source = self.names[self.rng.choice(len(self.names), p=self.chances)]
        if source == DFDC_FAKES:
            at = self.fakes[self.rng.integers(len(self.fakes))]
            fakes = self.faces[source]
            genuine, fake = self.read(self.faces["dfdc"], self.original[fakes.original[at]]), self.read(fakes, at)
            factor = self.size(largest) / genuine.box[2]
            genuine, fake = genuine.scaled(factor), fake.scaled(factor)
            return genuine, fake
        at = self.rng.integers(len(self.faces[source]))
        genuine = self.read(self.faces[source], at).cut(0.35)
        genuine = genuine.scaled(min(self.size(largest) / genuine.box[2], 1.3))
        donor = self.donor(source, at)
        if donor is not None:
            donor = donor.scaled(genuine.box[2] / donor.box[2])
            donor = (donor.picture, donor.points)
        picture, mask = blends.blend(genuine.picture, genuine.points, donor, self.rng)
        return genuine, Seen(picture, genuine.box, genuine.points, mask)

    def size(self, largest):
        return float(np.exp(self.rng.uniform(np.log(56), np.log(largest))))

    def pairs(self, count):
        """`count` pairs, some of them through a video codec six at a time."""
        made = []
        while len(made) < count:
            if self.rng.random() < CODED / (CODED + (1 - CODED) * stream.FACES):
                made += self.coded()
            else:
                pair = self.raw(200)
                plan = degrade.Plan(self.rng, coded=False)
                made.append(tuple(self.after(seen, plan(seen.picture)) for seen in pair))
        order = self.rng.permutation(len(made))[:count]
        return [made[at] for at in order]

    def coded(self):
        raw = [self.raw(128) for _ in range(stream.FACES)]
        plans = [degrade.Plan(self.rng, coded=True) for _ in raw]
        layout = stream.Layout(self.rng)
        sides = []
        for side in (0, 1):
            fitting = [fit(pair[side]) for pair in raw]
            pictures = [plan(seen.picture) for plan, seen in zip(plans, fitting)]
            cells = stream.through(pictures, layout)
            sides.append([self.after(seen.moved(shift), cell, shift) for seen, (cell, shift) in zip(fitting, cells)])
        return list(zip(*sides))

    @staticmethod
    def after(seen, picture, shift=None):
        """The same face in a picture that was degraded; a mask moves along."""
        mask = seen.mask
        if mask is not None and shift is not None:
            move = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
            mask = cv2.warpAffine(mask, move, picture.shape[1::-1])
        return Seen(picture, seen.box, seen.points, mask)

    def tensors(self, pair):
        """Crops of both at the same jitter, and the cells' targets: -1 where nothing is known."""
        scale, turn = np.exp(self.rng.normal(0, 0.05)), np.radians(self.rng.normal(0, 2))
        shift, flip = self.rng.normal(0, 0.02, 2), self.rng.random() < 0.5
        grey = self.rng.random() < 0.4
        crops, targets = [], []
        for fake, seen in enumerate(pair):
            cx, cy, side, angle = crop.square(seen.box, seen.points)
            place = cx + shift[0] * side, cy + shift[1] * side, side * scale, angle + turn
            picture = bordered(seen.picture, place, grey)
            pixels = crop.crop(*picture)
            cells = np.zeros((CELLS, CELLS), np.float32)
            if fake and seen.mask is not None:
                cells = cv2.resize(crop.crop(seen.mask, place, 64), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
                # A cell that the seam touches is neither.
                cells = np.where((cells > 0.1) & (cells < 0.4), -1, (cells >= 0.4).astype(np.float32))
            elif fake:
                cells = whole_face(crop.points_in_crop(seen.points, place))
            if flip:
                pixels, cells = pixels[:, ::-1], cells[:, ::-1]
            crops.append(np.ascontiguousarray(pixels.transpose(2, 0, 1) + 0.5).clip(0, 255).astype(np.uint8))
            targets.append(np.ascontiguousarray(cells))
        return np.stack(crops), np.stack(targets)


def whole_face(points):
    """Cells' targets of a swapped face whose mask nobody knows: its inside is manipulated, of its edge nothing is known."""
    eyes, mouth = (points[0] + points[1]) / 2, points[3]
    centre, radius = eyes + 0.5 * (mouth - eyes), max(np.hypot(*(mouth - eyes)), 1.0)
    at = (np.arange(CELLS) + 0.5) * crop.SIDE / CELLS
    x, y = np.meshgrid(at, at)
    return np.where(np.hypot(x - centre[0], y - centre[1]) < 0.75 * radius, 1.0, -1.0).astype(np.float32)


def bordered(picture, place, grey):
    """The picture with a border, grey or repeated, so that neither tells anything; and the place in it."""
    border = int(0.2 * place[2])
    value = {"borderType": cv2.BORDER_CONSTANT, "value": (127, 127, 127)} if grey else {"borderType": cv2.BORDER_REPLICATE}
    return cv2.copyMakeBorder(picture, border, border, border, border, **value), (place[0] + border, place[1] + border, *place[2:])


def fit(seen):
    """A picture that fits a cell of `stream`."""
    room = min((stream.CELL[0] - 4) / seen.picture.shape[1], (stream.CELL[1] - 4) / seen.picture.shape[0])
    if room >= 1:
        return seen
    small = seen.scaled(room)
    if seen.mask is not None:
        small.mask = cv2.resize(seen.mask, small.picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    return small


class Batches(torch.utils.data.IterableDataset):
    """Batches of pairs: crops `[pairs,2,3,128,128]` bytes (genuine first), targets `[pairs,2,8,8]`."""

    def __init__(self, faces, pairs, seed):
        self.faces, self.pairs, self.seed = faces, pairs, seed

    def __iter__(self):
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        maker = Maker(self.faces, self.seed * 1000 + (worker.id if worker else 0))
        while True:
            crops, targets = zip(*(maker.tensors(pair) for pair in maker.pairs(self.pairs)))
            yield torch.from_numpy(np.stack(crops)), torch.from_numpy(np.stack(targets))
