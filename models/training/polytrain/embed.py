# SPDX-License-Identifier: Apache-2.0
"""Face embeddings of the genuine DFDC crops, only to split by person (dlib's ResNet, 128 numbers, CC0).

The 68-point landmark file that lies beside it is for non-commercial use and is not loaded; five points are enough.
"""

import argparse
import os
import time
from pathlib import Path

import cv2
import dlib
import numpy as np

from . import dfdc


def models():
    """The network and the five-point aligner, out of the package that carries them."""
    import face_recognition_models

    folder = Path(face_recognition_models.__file__).parent / "models"
    return (
        dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat")),
        dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat")),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dfdc", type=Path, required=True, help=dfdc.LAYOUT)
    parser.add_argument("--out", type=Path, required=True, help="embeddings.npz")
    parser.add_argument("--part", default="0/1", help="i/n: every n-th crop from the i-th, to use several cores")
    args = parser.parse_args()
    i, n = map(int, args.part.split("/"))
    names = sorted(dfdc.genuine(args.dfdc))[i::n]
    out = args.out.with_suffix(f".{i}of{n}.npz")
    done = dict(np.load(out)) if out.exists() else {"names": np.array([], str), "vectors": np.zeros((0, 128), "f4")}
    known = set(done["names"].tolist())
    network, five = models()
    fresh_names, fresh_vectors, saved = [], [], time.monotonic()

    def save():
        tmp = out.with_suffix(".tmp.npz")
        np.savez(tmp, names=np.concatenate([done["names"], fresh_names]), vectors=np.concatenate([done["vectors"], fresh_vectors]) if fresh_vectors else done["vectors"])
        os.replace(tmp, out)

    for name in names:
        if name in known:
            continue
        rgb = cv2.imread(str(dfdc.picture(args.dfdc, name)))[:, :, ::-1].copy()
        # The crop is the face's box; the aligner wants it inside of a picture.
        padded = cv2.copyMakeBorder(rgb, 56, 56, 56, 56, cv2.BORDER_REPLICATE)
        shape = five(padded, dlib.rectangle(56, 56, 56 + rgb.shape[1], 56 + rgb.shape[0]))
        fresh_names.append(name)
        fresh_vectors.append(np.array(network.compute_face_descriptor(padded, shape), "f4"))
        if time.monotonic() - saved > 60:
            save()
            saved = time.monotonic()
    save()


if __name__ == "__main__":
    main()
