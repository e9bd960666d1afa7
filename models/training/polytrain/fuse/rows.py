# SPDX-License-Identifier: Apache-2.0
"""What the product said of each segment, tick by tick."""

from pathlib import Path

import numpy as np

from ..typical import frames, logit

# Of each part: its logit at even odds, and whether there is one.
PARTS = ("picture", "mismatch", "voice")
# After those, of each tick: the single picture's own logit, quality of the face, speaks, speech is heard.
WIDTH = 2 * len(PARTS) + 4


def tick(data):
    """A frame event's numbers, of the face that is seen best; None without a face."""
    faces = data.get("faces") or []
    if not faces:
        return None
    face = max(faces, key=lambda face: face.get("quality") or 0)
    audio = data.get("audio") or {}
    picture, sync = face.get("manipulation") or {}, face.get("lip_sync") or {}
    told = (picture.get("p"), sync.get("mismatch_p"), (audio.get("synthetic") or {}).get("p"))
    row = [value for p in told for value in ((0.0, 0.0) if p is None else (float(logit(p)), 1.0))]
    row += [(picture.get("picture_logit") or 0.0) / 5, face.get("quality") or 0.0]
    return row + [float(face.get("speaking") is True), audio.get("speech") or 0.0]


def segment(folder):
    """`[ticks, WIDTH]`; None where no face was seen."""
    ticks = [one for one in map(tick, frames(folder)) if one is not None]
    return np.array(ticks, np.float32) if ticks else None


class Segments:
    """All segments of a folder: pair, cell and ticks."""

    def __init__(self, folder: Path):
        self.pairs, self.cells, self.ticks, self.without = [], [], [], 0
        for found in sorted((folder / "found").iterdir()):
            name = found.name.removesuffix(".mkv").split(".")
            if not found.is_dir() or len(name) != 3:
                continue
            ticks = segment(found)
            if ticks is None:
                self.without += 1
                continue
            self.pairs.append(f"{name[0]}.{name[1]}")
            self.cells.append(tuple(int(flag) for flag in name[2]))
            self.ticks.append(ticks)
        self.pairs = np.array(self.pairs)
        self.labels = np.array([int(any(cell)) for cell in self.cells])

    def last(self):
        """What was said at each segment's end, `[segments, WIDTH]`."""
        return np.stack([ticks[-1] for ticks in self.ticks])
