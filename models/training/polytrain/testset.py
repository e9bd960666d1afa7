# SPDX-License-Identifier: Apache-2.0
"""Makes the folder that `./dev eval` reads (its layout: `polygraph eval --help`): files or links, and manifest.csv.

Calibration: DFDC's calibration persons, held-out people of the stills and of the talking clips, GRID speaker 1 at
position 9, further genuine clips (`--genuine`). Test: DFDC's test persons, GRID speaker 1 at position 7, GRID people never trained on, each of these
also manipulated in ways never trained on (see `manipulate`), self-blends of test persons (a way that was trained on),
wholly synthesised faces (`--synthetic`, shown without a target), and named clips (`--clips`).
"""

import argparse
import csv
import os
from pathlib import Path

import av
import cv2
import numpy as np

from . import blends, dfdc, folds, grid, manipulate
from .blazeface import BlazeFace
from .extract import clips, frames_of, hash_of, stills
from .pairs import HELD_OUT_TALKING, Faces, held_out

COLUMNS = ("path", "label", "person", "corpus", "manipulation", "split", "pair")


class Folder:
    """The folder and its manifest."""

    def __init__(self, root):
        self.root, self.rows = Path(root), []
        self.root.mkdir(parents=True, exist_ok=True)

    def place(self, corpus, name):
        """Where a new file goes, relative and absolute."""
        path = Path(corpus) / name
        (self.root / corpus).mkdir(parents=True, exist_ok=True)
        return path, self.root / path

    def link(self, source, corpus, name):
        path, to = self.place(corpus, name)
        if not to.exists():
            os.link(source, to) if os.stat(source).st_dev == os.stat(self.root).st_dev else to.write_bytes(Path(source).read_bytes())
        return path

    def row(self, path, label, person, corpus, manipulation, split, pair=""):
        self.rows.append((str(path), label, person, corpus, manipulation, split, pair))

    def close(self):
        with open(self.root / "manifest.csv", "w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([COLUMNS, *self.rows])
        print(f"{self.root}: {len(self.rows)} items")


def add_dfdc(folder, source, fold_file, each_fold, blends_of, faces):
    """Stills: as many genuine crops of each fold, one fake of each, and self-blends of some."""
    fold, person = folds.read(fold_file)
    fakes = dfdc.fakes(source)
    known = {str(name): at for at, name in enumerate(faces.person) if faces.original[at] == ""}
    for split in ("calibration", "test"):
        names = sorted(name for name, its in fold.items() if its == split and fakes.get(name))
        rng = np.random.default_rng(11)
        names = [names[at] for at in rng.permutation(len(names))[: each_fold[split]]]
        for name in names:
            fake = fakes[name][hash_of(name) % len(fakes[name])]
            folder.row(folder.link(dfdc.picture(source, name), "dfdc", f"{name}.jpg"), "genuine", f"dfdc-{person[name]}", "dfdc", "", split, name)
            folder.row(folder.link(dfdc.picture(source, fake), "dfdc", f"{fake}.jpg"), "manipulated", f"dfdc-{person[name]}", "dfdc", "dfdc", split, name)
        for name in [name for name in names if name in known][: blends_of if split == "test" else 0]:
            add_blend(folder, source, name, f"dfdc-{person[name]}", faces, known[name])


def add_blend(folder, source, name, person, faces, at):
    """A self-blend, the trained way, and its original, both through the same JPEG."""
    rng = np.random.default_rng(hash_of(name))
    picture = cv2.imread(str(dfdc.picture(source, name)))
    mixed, _ = blends.blend(np.ascontiguousarray(picture[:, :, ::-1]), faces.points[at, 0].astype(np.float64), None, rng)
    for label, pixels, kind in (("genuine", picture, ""), ("manipulated", mixed[:, :, ::-1], "self-blend")):
        path, to = folder.place("blends", f"{name}-{label}.jpg")
        cv2.imwrite(str(to), pixels, (cv2.IMWRITE_JPEG_QUALITY, 92))
        folder.row(path, label, person, "blends", kind, "test", name)


def add_stills(folder, path, name, count):
    """Genuine photos of held-out people, for calibration."""
    for file, person in [still for still in stills(path) if held_out(still[1])][:count]:
        folder.row(folder.link(file, name, file.name.replace(" ", "_")), "genuine", f"{name}-{person}", name, "", "calibration")


def add_talk(folder, path):
    """Genuine clips of held-out people who talk, one a person, for calibration."""
    seen = set()
    for clip, person in clips(path):
        if held_out(person, HELD_OUT_TALKING) and person not in seen:
            seen.add(person)
            folder.row(folder.link(clip, "talk", clip.name), "genuine", f"talk-{person}", "talk", "", "calibration")


def add_synthetic(folder, path, kind):
    """Faces that a generator made whole: nobody's, so each is a person of its own."""
    for file in sorted(Path(path).glob("*.*g")):
        folder.row(folder.link(file, "synthetic", file.name), "manipulated", f"{kind}-{file.stem}", "synthetic", kind, "test")


def found_points(detector, frames):
    """The face's points in every frame, smoothed a little; None where a frame shows none."""
    points = []
    for frame in frames:
        faces = detector(frame)
        points.append(max(faces, key=lambda face: face[1][2])[2] if faces else (points[-1] if points else None))
    if any(at is None for at in points):
        return None
    points = np.stack(points)
    kernel = np.array([0.25, 0.5, 0.25])
    padded = np.pad(points, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return sum(weight * padded[at : at + len(points)] for at, weight in enumerate(kernel))


def write(frames, to):
    """MPEG-4 part 2 at a high rate: another codec than training knows."""
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(str(to), "w") as out:
        video = out.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt, video.bit_rate = width, height, "yuv420p", 1_500_000
        for frame in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")))
        out.mux(video.encode())


def add_grid(folder, clips, corpus, detector):
    """`clips`: (path, person). Genuine as they are, genuine and manipulated through the same second codec."""
    seen = []
    for clip, person in clips:
        folder.row(folder.link(clip, corpus, clip.name), "genuine", person, corpus, "", "test")
        frames = frames_of(clip)
        points = found_points(detector, frames)
        if points is not None:
            seen.append((clip, person, frames, points))
    for at, (clip, person, frames, points) in enumerate(seen):
        path, to = folder.place(f"{corpus}-manipulated", f"{clip.stem}-genuine.mp4")
        write(frames, to)
        folder.row(path, "genuine", person, f"{corpus}-manipulated", "", "test", clip.stem)
        same = [one for one in seen if one[1] == person and one[0] != clip]
        others = [one for one in seen if one[1] != person]
        rng = np.random.default_rng(hash_of(clip.stem))
        for kind in manipulate.KINDS:
            pool = others if kind == "poisson-face" else same
            # A person of one clip lends the mouth of another moment of it.
            donor = pool[rng.integers(len(pool))] if pool else (clip, person, frames[::-1], points[::-1])
            mixed = [
                manipulate.manipulate(kind, frame, points[i], donor[2][(i + 7) % len(donor[2])], donor[3][(i + 7) % len(donor[3])])
                for i, frame in enumerate(frames)
            ]
            path, to = folder.place(f"{corpus}-manipulated", f"{clip.stem}-{kind}.mp4")
            write(mixed, to)
            folder.row(path, "manipulated", person, f"{corpus}-manipulated", kind, "test", clip.stem)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dfdc", type=Path, required=True, help=dfdc.LAYOUT)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--faces", type=Path, required=True, help="folder of polytrain.extract")
    parser.add_argument("--grid", type=Path, required=True, help=grid.LAYOUT)
    parser.add_argument("--strangers", type=Path, nargs="*", default=[], help="clips of other GRID people, as PERSON=CLIP or a folder of one person's clips")
    parser.add_argument("--stills", nargs="*", default=[], help="NAME=FOLDER of genuine photos")
    parser.add_argument("--genuine", nargs="*", default=[], help="further genuine clips, for calibration: PERSON=CLIP")
    parser.add_argument("--talk", type=Path, help="folder of talking clips, as polytrain.extract takes it")
    parser.add_argument("--synthetic", nargs="*", default=[], help="KIND=FOLDER of wholly synthesised faces")
    parser.add_argument("--clips", nargs="*", default=[], help="LABEL:MANIPULATION:PERSON=CLIP, shown one by one")
    parser.add_argument("--blazeface", type=Path, required=True)
    parser.add_argument("--speaker1", type=int, default=24, help="clips of GRID speaker 1 in the test")
    args = parser.parse_args()
    folder, detector = Folder(args.out), BlazeFace(args.blazeface)
    add_dfdc(folder, args.dfdc, args.folds, {"calibration": 800, "test": 1600}, 500, Faces.load(args.faces, "dfdc"))
    for name, path in (pair.split("=", 1) for pair in args.stills):
        add_stills(folder, path, name, 600)
    for clip in grid.clips(args.grid, grid.CALIBRATION)[:50]:
        folder.row(folder.link(clip, "grid-s1-calibration", clip.name), "genuine", "grid-s1", "grid-s1-calibration", "", "calibration")
    if args.talk:
        add_talk(folder, args.talk)
    for kind, path in (pair.split("=", 1) for pair in args.synthetic):
        add_synthetic(folder, path, kind)
    for person, clip in (pair.split("=", 1) for pair in args.genuine):
        folder.row(folder.link(clip, "genuine-clips", Path(clip).name), "genuine", person, "genuine-clips", "", "calibration")
    for about, clip in (pair.split("=", 1) for pair in args.clips):
        label, kind, person = about.split(":")
        folder.row(folder.link(clip, "ffpp-dfdc-clips", Path(clip).name), label, person, "ffpp-dfdc-clips", kind, "test")
    strangers = []
    for given in map(str, args.strangers):
        person, path = given.split("=", 1)
        strangers += [(clip, person) for clip in (sorted(Path(path).glob("*.mpg")) if Path(path).is_dir() else [Path(path)])]
    add_grid(folder, strangers, "grid-strangers", detector)
    step = max(1, 100 // args.speaker1)
    add_grid(folder, [(clip, "grid-s1") for clip in grid.clips(args.grid, grid.TEST)[::step][: args.speaker1]], "grid-s1", detector)
    folder.close()


if __name__ == "__main__":
    main()
