# SPDX-License-Identifier: Apache-2.0
"""Makes a planted programme worse, as encoders, networks and rooms do, to be analysed and scored again.

    worse.py work/planted --how qp38 loss-5 noise-10      # makes work/planted.qp38, work/planted.loss-5, ...

`qpN` is H.264 at a constant QP of N. `loss-P` is a loss of P % of RTP packets, each by itself: H.264 in slices of 1,400 bytes, of which each
is a packet (RFC 6184, single NAL unit mode), a key frame each two seconds, no B-frames; and 20 ms of sound a packet, silent where lost. What
describes the stream (SPS, PPS) is kept, as it comes by SDP. `noise-D` is white noise D dB under the programme's sound.
"""

import argparse
import shutil
from pathlib import Path

import av
import numpy as np

from .lips.testset import ffmpeg
from .planted import wave as wave_of

RATE = 48000
PACKET_BYTES, PACKET_SECONDS = 1400, 0.02
SLICES = {1, 5}
"""H.264's NAL unit types that carry pictures, table 7-1."""


def joined(video, wave, to):
    """The pictures of a file and other sound, as PCM."""
    raw = to.with_suffix(".f32")
    raw.write_bytes(wave.astype(np.float32).tobytes())
    ffmpeg("-i", video, "-f", "f32le", "-ar", RATE, "-ac", 1, "-i", raw, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "pcm_s16le", to)
    raw.unlink()


def without(data, share, chance):
    """An access unit (length-prefixed NAL units) without the slices that were lost; None when none is left."""
    at, kept, slices = 0, [], 0
    while at + 4 < len(data):
        size = 4 + int.from_bytes(data[at : at + 4], "big")
        is_slice = data[at + 4] & 31 in SLICES
        if not is_slice or chance.random() >= share:
            kept.append(data[at : at + size])
            slices += is_slice
        at += size
    return b"".join(kept) if slices else None


def lossy(source, share, chance, to):
    """Pictures of `source` after a loss, into `to`; how many packets there were and how many pictures are gone as a whole."""
    gone, units = 0, 0
    with av.open(str(source)) as whole, av.open(str(to), "w") as out:
        stream = whole.streams.video[0]
        target = out.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.dts is None:
                continue
            units += 1
            left = without(bytes(packet), share, chance)
            if left is None:
                gone += 1
                continue
            new = av.Packet(left)
            new.pts, new.dts, new.time_base, new.is_keyframe, new.stream = packet.pts, packet.dts, packet.time_base, packet.is_keyframe, target
            out.mux(new)
    return units, gone


def worse(programme, how, seed, to):
    """One way; `to` is a Matroska file."""
    chance = np.random.default_rng(seed)
    if how.startswith("qp"):
        ffmpeg("-i", programme, "-c:v", "libx264", "-preset", "veryfast", "-qp", how[2:], "-c:a", "copy", to)
        return
    name, amount = how.split("-")
    wave = wave_of(programme, RATE)
    if name == "noise":
        level = np.sqrt(np.mean(wave**2)) * 10 ** (-float(amount) / 20)
        joined(programme, np.clip(wave + chance.normal(0, level, len(wave)), -1, 1), to)
        return
    if name != "loss":
        raise SystemExit(f"worse: {how} is none of qpN, loss-P, noise-D")
    share, sliced, lost = float(amount) / 100, to.with_suffix(".sliced.mp4"), to.with_suffix(".lost.mkv")
    x264 = f"slice-max-size={PACKET_BYTES}:keyint=50:bframes=0"
    ffmpeg("-i", programme, "-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", 23, "-x264-params", x264, sliced)
    units, gone = lossy(sliced, share, chance, lost)
    packet = round(RATE * PACKET_SECONDS)
    silent = np.repeat(chance.random(-(-len(wave) // packet)) < share, packet)[: len(wave)]
    joined(lost, np.where(silent, 0, wave), to)
    print(f"{how}: {gone} of {units} pictures are gone as a whole")
    sliced.unlink(), lost.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--how", nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for how in args.how:
        out = args.folder.with_name(f"{args.folder.name}.{how}")
        out.mkdir(exist_ok=True)
        worse(args.folder / "programme.mp4", how, args.seed, out / "programme.mkv")
        for beside in ("planted.csv", "rules.toml"):
            shutil.copy(args.folder / beside, out / beside)


if __name__ == "__main__":
    main()
