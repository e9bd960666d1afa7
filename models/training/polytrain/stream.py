# SPDX-License-Identifier: Apache-2.0
"""H.264 and MPEG-2 as streams have them: faces that move inside of a larger picture, at a constant quantiser. A still crop
would come out almost as it went in and prove nothing."""

import io

import av
import cv2
import numpy as np

WIDTH, HEIGHT, COLUMNS, ROWS, FRAMES = 640, 360, 3, 2, 7
CELL = (WIDTH // COLUMNS, HEIGHT // ROWS)
FACES = COLUMNS * ROWS
# Part of the clips in MPEG-2, as much of broadcasting still is; its quantiser (2 to 14) leaves blocks instead of softness.
MPEG2 = 0.35


class Layout:
    """Where and how the faces of one clip move; a clip of fakes and one of their originals share it."""

    def __init__(self, rng):
        self.mpeg2 = rng.random() < MPEG2
        self.qp = int(rng.integers(2, 15)) if self.mpeg2 else int(rng.integers(26, 43))
        self.frame = int(rng.integers(2, FRAMES))
        self.speed = rng.uniform(-3, 3, (FACES, 2))
        self.sway = rng.uniform(0, 2, FACES)
        self.phase = rng.uniform(0, 6.28, FACES)
        self.room = rng.uniform(0, 1, (FACES, 2))
        tiny = rng.uniform(20, 235, (6, 9, 3)).astype(np.uint8)
        self.ground = cv2.resize(tiny, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)

    def offset(self, face, frame, size):
        """Top left corner of a face's picture inside of its cell."""
        room = np.maximum(np.array(CELL) - size, 0)
        at = self.room[face] * room + self.speed[face] * frame
        at = at + self.sway[face] * np.array([np.sin(self.phase[face] + frame), np.cos(self.phase[face] + 0.7 * frame)])
        return np.clip(at, 0, np.maximum(room, 0))


def through(pictures, layout):
    """Up to six pictures that fit a cell (213x180): as they come out of the codec, with their shift in pixels."""
    frames = []
    for frame in range(layout.frame + 1):
        canvas = layout.ground.copy()
        for face, picture in enumerate(pictures):
            x, y = layout.offset(face, frame, picture.shape[1::-1])
            left, top = face % COLUMNS * CELL[0], face // COLUMNS * CELL[1]
            cell = canvas[top : top + CELL[1], left : left + CELL[0]]
            whole = (int(x), int(y))
            move = np.float32([[1, 0, x - whole[0]], [0, 1, y - whole[1]]])
            height = min(picture.shape[0], CELL[1] - whole[1])
            width = min(picture.shape[1], CELL[0] - whole[0])
            moved = cv2.warpAffine(picture, move, (picture.shape[1], picture.shape[0]), borderMode=cv2.BORDER_REPLICATE)
            cell[whole[1] : whole[1] + height, whole[0] : whole[0] + width] = moved[:height, :width]
        frames.append(canvas)
    last = coded(frames, layout)
    found = []
    for face, picture in enumerate(pictures):
        x, y = layout.offset(face, layout.frame, picture.shape[1::-1])
        left, top = face % COLUMNS * CELL[0], face // COLUMNS * CELL[1]
        found.append((last[top : top + CELL[1], left : left + CELL[0]], np.array([x, y])))
    return found


def coded(frames, layout):
    """The last of some frames, after a codec at a constant quantiser."""
    file, qp = io.BytesIO(), str(layout.qp)
    with av.open(file, "w", format="matroska") as out:
        if layout.mpeg2:
            video = out.add_stream("mpeg2video", rate=25, options={"qmin": qp, "qmax": qp, "threads": "1"})
        else:
            video = out.add_stream("libx264", rate=25, options={"qp": qp, "preset": "veryfast", "threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode())
    file.seek(0)
    with av.open(file) as back:
        back.streams.video[0].thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)][-1]
