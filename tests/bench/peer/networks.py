# SPDX-License-Identifier: Apache-2.0
"""The peer's networks: BlazeFace, our own for faces, Silero and Moonshine Tiny through onnxruntime, by their cards."""

import pathlib

import cv2
import numpy as np
import onnxruntime as ort

RATE = 16_000
WINDOW = 512


def session(path: pathlib.Path) -> ort.InferenceSession:
    """A session of one thread that doesn't spin, as Polygraph's own workers are."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Faces:
    """BlazeFace, back-camera model."""

    def __init__(self, folder: pathlib.Path, threshold: float = 0.65):
        self.session = session(folder / "blazeface-back/1.2.0/face_detection_back_256x256_barracuda.onnx")
        self.input = self.session.get_inputs()[0].name
        self.logit = np.log(threshold / (1 - threshold))
        self.anchors = np.concatenate([self._grid(16, 2), self._grid(8, 6)])
        self.runs = 0

    @staticmethod
    def _grid(cells: int, repeats: int) -> np.ndarray:
        y, x = np.mgrid[0:cells, 0:cells]
        return np.repeat((np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells, repeats, 0).astype(np.float32)

    def detect(self, rgb: np.ndarray) -> list[list[float]]:
        """Box [x, y, w, h] and eyes [x, y] of each face, 0..1 of the picture, the best first."""
        height, width = rgb.shape[:2]
        scale = 256 / max(height, width)
        small = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        top, left = (256 - small.shape[0]) // 2, (256 - small.shape[1]) // 2
        square = np.zeros((256, 256, 3), np.float32)
        square[top : top + small.shape[0], left : left + small.shape[1]] = small
        self.runs += 1
        outputs = self.session.run(None, {self.input: (square / 127.5 - 1.0)[None]})
        logits = np.concatenate([o[0, :, 0] for o in outputs if o.shape[2] == 1])
        values = np.concatenate([o[0] for o in outputs if o.shape[2] == 16])
        keep = np.flatnonzero(logits > self.logit)
        if len(keep) == 0:
            return []
        centre = self.anchors[keep] + values[keep, 0:2] / 256
        size = values[keep, 2:4] / 256
        eyes = [self.anchors[keep] + values[keep, at : at + 2] / 256 for at in (4, 6)]
        faces = np.concatenate([centre - size / 2, size, *eyes], 1)
        chosen = cv2.dnn.NMSBoxes(faces[:, :4].tolist(), logits[keep].tolist(), float(self.logit), 0.3)
        for x, y, offset in ((0, 1, 1), (2, 3, 0), (4, 5, 1), (6, 7, 1)):
            faces[:, x] = (faces[:, x] * 256 - offset * left) / small.shape[1]
            faces[:, y] = (faces[:, y] * 256 - offset * top) / small.shape[0]
        return [faces[i].tolist() for i in chosen]


class Forensics:
    """Our own network for signs of manipulation in a face."""

    SIDE = 128

    def __init__(self, folder: pathlib.Path):
        self.session = session(next((folder / "face-forensics").glob("*/face-forensics.int8.onnx")))
        self.runs = 0

    def score(self, rgb: np.ndarray, face: list[float]) -> float:
        """The logit of a face, upright in a square of 0.95 of its box."""
        height, width = rgb.shape[:2]
        x, y, w, h, right_x, right_y, left_x, left_y = np.array(face) * ([width, height] * 4)
        side = 0.95 * (w + h) / 2
        angle = np.degrees(np.arctan2(left_y - right_y, left_x - right_x))
        # Smaller steps first where the face is larger than the crop: warpAffine doesn't average.
        samples = min(max(int(np.ceil(side / self.SIDE)), 1), 8)
        fine = self.SIDE * samples
        matrix = cv2.getRotationMatrix2D((x + w / 2, y + h / 2), angle, fine / side)
        matrix[:, 2] += [fine / 2 - x - w / 2, fine / 2 - y - h / 2]
        crop = cv2.warpAffine(rgb, matrix, (fine, fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        crop = cv2.resize(crop, (self.SIDE, self.SIDE), interpolation=cv2.INTER_AREA)
        tensor = crop.transpose(2, 0, 1)[None].astype(np.float32) / 255
        self.runs += 1
        return float(self.session.run(["logit"], {"face": tensor})[0][0])


class VoiceActivity:
    """Silero VAD v6."""

    def __init__(self, folder: pathlib.Path):
        self.session = session(folder / "silero-vad/6.2.3/silero_vad.onnx")
        self.state = np.zeros((2, 1, 128), np.float32)
        self.context = np.zeros(64, np.float32)
        self.rate = np.array(RATE, np.int64)
        self.runs = 0

    def push(self, window: np.ndarray) -> float:
        """The speech probability of the next 512 samples."""
        self.runs += 1
        wave = np.concatenate([self.context, window])[None]
        p, self.state = self.session.run(None, {"input": wave, "state": self.state, "sr": self.rate})
        self.context = window[-64:]
        return float(p[0, 0])


class Recogniser:
    """Moonshine Tiny."""

    def __init__(self, folder: pathlib.Path):
        decoder = folder / "moonshine-tiny-decoder/0.1.0"
        self.encoder = session(folder / "moonshine-tiny-encoder/0.1.0/encoder_model.ort")
        self.decoder = session(decoder / "decoder_model_merged.ort")
        self.tokens = self._tokens((decoder / "tokenizer.bin").read_bytes())
        self.caches = [i.name for i in self.decoder.get_inputs() if i.name.startswith("past_key_values")]
        self.outputs = [o.name for o in self.decoder.get_outputs()]
        self.runs = 0
        self.tokens_said = 0

    @staticmethod
    def _tokens(data: bytes) -> list[bytes]:
        tokens, at = [], 0
        while at < len(data):
            length = data[at]
            at += 1
            if length >= 128:
                length = length - 128 + data[at] * 128
                at += 1
            tokens.append(data[at : at + length])
            at += length
        return tokens

    def transcribe(self, wave: np.ndarray) -> str:
        """What 16 kHz mono sound says, greedily."""
        self.runs += 1
        mask = np.ones((1, len(wave)), np.int64)
        (hidden,) = self.encoder.run(None, {"input_values": wave[None], "attention_mask": mask})
        cache = {name: np.zeros((1, 8, 0, 36), np.float32) for name in self.caches}
        token, said = 1, []
        for step in range(int(len(wave) / RATE * 6.5) + 1):
            feeds = {
                "input_ids": np.array([[token]], np.int64),
                "encoder_hidden_states": hidden,
                "encoder_attention_mask": mask,
                "use_cache_branch": np.array([step > 0]),
                **cache,
            }
            results = dict(zip(self.outputs, self.decoder.run(None, feeds)))
            token = int(results["logits"][0, -1].argmax())
            if token == 2:
                break
            said.append(token)
            for name in self.caches:
                if ".decoder." in name or step == 0:
                    cache[name] = results[name.replace("past_key_values", "present")]
        self.tokens_said += len(said)
        return b"".join(self.tokens[t] for t in said).decode(errors="replace").replace("\u2581", " ").strip()
