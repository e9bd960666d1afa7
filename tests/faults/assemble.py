#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Assembles a programme with broadcast faults at known times, or one without any, from a clip with sound.

    assemble.py --clip test.mp4 --out programme.ts [--faults 30 | --short] [--clean SECONDS]

The programme is an MPEG transport stream of H.264 and MPEG audio, in parts where size or frame rate change. Faults are 3 s long
(short-lived ones 1.5 s), with some seconds between. The truth goes beside it, as programme.csv: fault, start and end in seconds.
Loudness faults aren't injected by hand: the sound is made louder here and there, and where that is out of range is for
`ffmpeg -af ebur128` to say. Needs ffmpeg.
"""

import argparse
import csv
import pathlib
import subprocess
import tempfile

# Of each fault in turn, until there are as many as were asked for. What breaks the picture and what breaks the sound take turns.
ORDER = ["black", "silence", "frozen", "phase_inverted", "colour_bars", "clipping", "missing_video", "loud", "missing_audio"]
LENGTH, SLOT, LEAD = 3.0, 7.0, 3.0
# What a loud stretch has more, in dB, before it is bent so that it doesn't clip.
LOUDER = 16.0


def schedule(kinds):
    """Kind, start and end of each fault in a part, and the part's length."""
    faults = [(kind, LEAD + SLOT * index, LEAD + SLOT * index + LENGTH) for index, kind in enumerate(kinds)]
    return faults, LEAD + SLOT * len(kinds)


def inside(faults, kind, strict=False):
    """An expression of ffmpeg that is 1 inside the faults of a kind."""
    # Half a millisecond: stamps are on the grid of pictures, and the end belongs to what follows.
    first = 0.0005 if strict else -0.0005
    return "+".join(f"between(t,{a + first:.4f},{b - 0.0005:.4f})" for k, a, b in faults if k == kind) or "0"


def video(faults, size, fps, length):
    chain = f"[0:v]fps={fps},scale={size[0]}:{size[1]}:flags=bicubic,setsar=1,trim=0:{length},format=yuv420p"
    chain += f",drawbox=c=black:t=fill:enable='{inside(faults, 'black')}'[base]"
    chain += f";smptebars=s={size[0]}x{size[1]}:r={fps}:d={length},format=yuv420p,setsar=1[bars]"
    chain += f";[base][bars]overlay=enable='{inside(faults, 'colour_bars')}'"
    # All but the first picture of a freeze go, and the first is repeated in their place.
    chain += f",select='not({inside(faults, 'frozen', strict=True)})',fps={fps}:start_time=0"
    return chain + f",select='not({inside(faults, 'missing_video')})'[v]"


def audio(faults, gain, length):
    silence, loud = inside(faults, "silence"), inside(faults, "loud")
    clipping, phase = inside(faults, "clipping"), inside(faults, "phase_inverted")
    # One channel for both, so that they are in phase until one of them is turned.
    both = f"(1-({silence}))*(val(0)+val(1))/2*pow(10,({gain}+{LOUDER}*({loud})+30*({clipping}))/20)"
    hard = f"if({loud},0.8*tanh({both}),clip({both},-1,1))"
    chain = f"[0:a]aresample=48000,aformat=channel_layouts=stereo,atrim=0:{length}"
    chain += f",aeval='{hard}|{hard}*(1-2*({phase}))':c=same"
    return chain + f",aselect='not({inside(faults, 'missing_audio')})'[a]"


def part(clip, gain, begin, kinds, size, fps, offset, out):
    faults, length = schedule(kinds)
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-ss", str(begin), "-i", clip, "-filter_complex"]
    command += [video(faults, size, fps, length) + ";" + audio(faults, gain, length), "-map", "[v]", "-map", "[a]"]
    command += ["-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-g", "50", "-bf", "0"]
    command += ["-threads", "1", "-c:a", "mp2", "-b:a", "256k", "-t", str(length), "-muxdelay", "0", "-muxpreload", "0"]
    # A constant rate, so that the clock (PCR) goes on where no picture comes.
    command += ["-muxrate", "4M", "-output_ts_offset", f"{offset:.6f}", "-f", "mpegts", out]
    subprocess.run(command, check=True)
    return [(kind, offset + a, offset + b) for kind, a, b in faults], length


def loudness(clip):
    command = ["ffmpeg", "-v", "info", "-nostats", "-t", "120", "-i", clip, "-vn", "-af", "ebur128", "-f", "null", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(text.rsplit("I:", 1)[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--clean", type=float, help="no fault, and so many seconds")
    arguments = parser.parse_args()
    gain = -23.5 - loudness(arguments.clip)
    if arguments.clean:
        # The clip's last seconds fade to black for long. Stamps are made anew, for those of `loop` jump where it begins again.
        chain = f"[0:v]trim=0.2:205,setpts=PTS-STARTPTS,fps=25,scale=320:180,loop=-1:5100,setpts=N/25/TB,trim=0:{arguments.clean}[v]"
        chain += f";[0:a]atrim=0.2:205,asetpts=PTS-STARTPTS,volume={gain}dB,aresample=48000,aloop=-1:9792000,asetpts=N/SR/TB"
        chain += f",atrim=0:{arguments.clean}[a]"
        command = ["ffmpeg", "-v", "error", "-y", "-i", arguments.clip, "-filter_complex", chain, "-map", "[v]", "-map", "[a]"]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-threads", "1", "-c:a", "mp2", "-b:a", "256k"]
        subprocess.run(command + ["-f", "mpegts", arguments.out], check=True)
        return
    # Changes of size and of rate are between parts, there and back.
    formats = [((320, 180), 25), ((384, 216), 25), ((320, 180), 25), ((320, 180), 50), ((320, 180), 25)]
    inner = max(arguments.faults - (len(formats) - 1), len(formats))
    kinds = [ORDER[index % len(ORDER)] for index in range(inner)]
    share = -(-inner // len(formats))
    truth, offset = [], 2.0
    with tempfile.TemporaryDirectory() as folder, open(arguments.out, "wb") as whole:
        for index, (size, fps) in enumerate(formats):
            own = kinds[index * share : (index + 1) * share]
            if index and (size != formats[index - 1][0]):
                truth.append(("picture_size", offset, offset))
            if index and (fps != formats[index - 1][1]):
                truth.append(("frame_rate", offset, offset))
            path = str(pathlib.Path(folder) / "part.ts")
            faults, length = part(arguments.clip, gain, 5 + 30 * index, own, size, fps, offset, path)
            truth += faults
            offset += length
            whole.write(pathlib.Path(path).read_bytes())
    with pathlib.Path(arguments.out).with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fault", "start_s", "end_s"])
        # Stream time begins with the first picture.
        writer.writerows((kind, f"{a - 2.0:.4f}", f"{b - 2.0:.4f}") for kind, a, b in sorted(truth, key=lambda fault: fault[1]))


if __name__ == "__main__":
    main()
