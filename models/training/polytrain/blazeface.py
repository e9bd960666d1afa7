# SPDX-License-Identifier: Apache-2.0
"""BlazeFace as `models/src/blazeface.rs` runs it: the same network, letterbox, decoding and blending."""

import cv2
import numpy as np
import onnxruntime

INPUT = 256
THRESHOLD = 0.65
SAME = 0.3


def _centres():
    centres = []
    for cells, each in ((16, 2), (8, 6)):
        for cell in range(cells * cells):
            centres += [((cell % cells + 0.5) / cells, (cell // cells + 0.5) / cells)] * each
    return np.array(centres, np.float32)


CENTRES = _centres()


def session(path):
    """A network on one thread of the processor, as the product runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class BlazeFace:
    """Finds the faces of one picture at a time."""

    def __init__(self, path):
        self.session = session(path)

    def __call__(self, rgb):
        """`[H,W,3]` bytes to the faces, the best first: `(score, box [4], points [6,2])` in pixels."""
        height, width = rgb.shape[:2]
        side = max(height, width)
        left, top = (side - width) // 2, (side - height) // 2
        whole = np.zeros((side, side, 3), np.uint8)
        whole[top : top + height, left : left + width] = rgb
        how = cv2.INTER_AREA if side > INPUT else cv2.INTER_LINEAR
        small = cv2.resize(whole, (INPUT, INPUT), interpolation=how)
        tensor = (small.astype(np.float32) / 127.5 - 1.0)[None]
        s1, s2, b1, b2 = self.session.run(
            ["Identity:0", "Identity_1:0", "Identity_2:0", "Identity_3:0"], {"input:0": tensor}
        )
        logits = np.concatenate([s1, s2], 1)[0, :, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        keep = np.flatnonzero(scores >= THRESHOLD)
        values = np.concatenate([b1, b2], 1)[0, keep] / INPUT
        centres, scores = CENTRES[keep], scores[keep]
        points = values[:, 4:].reshape(-1, 6, 2) + centres[:, None]
        middle = centres + values[:, :2]
        boxes = np.concatenate([middle - values[:, 2:4] / 2, values[:, 2:4]], 1)
        faces = []
        for score, box, at in _blend(scores, boxes, points):
            box, at = box * side, at * side
            box[:2] -= (left, top)
            faces.append((score, box, at - (left, top)))
        return faces


def _blend(scores, boxes, points):
    order = list(np.argsort(-scores))
    while order:
        best = order[0]
        same = [i for i in order if i == best or _iou(boxes[best], boxes[i]) > SAME]
        weight = scores[same] / scores[same].sum()
        yield float(scores[best]), weight @ boxes[same], np.tensordot(weight, points[same], 1)
        order = [i for i in order if i not in same]


def _iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both + 1e-9)
