# SPDX-License-Identifier: Apache-2.0
"""Segments as a bad line or a bad camera would bring them: H.264 at QP 38, Gaussian noise, and RTP that loses 1, 5 or 10 % of its packets.

    worsen.py FOLDER --out FOLDER --cells 000 100

For RTP the pictures are H.264 at 1.5 Mbit/s with a key frame every two seconds, as a camera sends them, in packets of 1,200 bytes;
the sound is Opus, one packet each 20 ms. Packets are dropped at random (GStreamer's `identity`); the decoders do what they do."""

import argparse
import subprocess
from pathlib import Path

FFMPEG = {
    "qp38": ["-c:v", "libx264", "-preset", "veryfast", "-qp", "38", "-c:a", "copy"],
    # Sigma 8 of 255 in luma; almost lossless after it.
    "noise": ["-vf", "noise=c0s=8:c0f=t", "-c:v", "libx264", "-preset", "veryfast", "-qp", "12", "-c:a", "copy"],
}
LOSSES = {"rtp1": 0.01, "rtp5": 0.05, "rtp10": 0.1}
CONDITIONS = (*FFMPEG, *LOSSES)


def lossy(source, to, share):
    """Through RTP that loses a share of its packets."""
    drop = f"identity drop-probability={share}"
    line = (
        f"gst-launch-1.0 -q matroskamux name=mux ! filesink location={to} filesrc location={source} ! decodebin name=in "
        f"in. ! video/x-raw ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast bitrate=1500 key-int-max=50 threads=1 "
        f"! rtph264pay mtu=1200 ! {drop} ! rtph264depay ! avdec_h264 max-threads=1 ! videoconvert "
        "! x264enc pass=quant quantizer=12 speed-preset=veryfast threads=1 ! h264parse ! queue ! mux. "
        f"in. ! audio/x-raw ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay ! {drop} "
        "! rtpopusdepay ! opusdec plc=true ! audioconvert ! audiorate ! queue ! mux."
    )
    subprocess.run(line.split(), check=True, stdin=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cells", nargs="+", required=True)
    args = parser.parse_args()
    for condition in CONDITIONS:
        to = args.out / condition
        to.mkdir(parents=True, exist_ok=True)
        for source in (path for cell in args.cells for path in sorted(args.folder.glob(f"*.{cell}.mkv"))):
            if condition in FFMPEG:
                subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(source), *FFMPEG[condition], str(to / source.name)], check=True)
            else:
                lossy(source, to / source.name, LOSSES[condition])


if __name__ == "__main__":
    main()
