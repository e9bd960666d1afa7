#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How soon the words of one live stream come, with everything on at its default rates.

    python3 tests/bench/speech.py FOLDER [--rounds 2]

FOLDER holds clips of GRID (*.mpg) with their alignments (*.align): a face that says a sentence in each three seconds. They are shown one
after the other by an RTSP server, at the pace of a camera, to a service that tells its events over SSE. Sentences begin and end where
the alignments say. When a moment of the stream came in is told by its pictures: the quickest of all frame events, less the 50 ms that
pass between two looks of the aggregator at the least. Tells, per sentence, from the first word's beginning to the first partial, and from
the last word's end to the final: medians and what 95 % are under; first as by default, then with words read from lips.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from service import free_port, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"
CLIP_S = 3.0
QUICKEST_S = 0.05
"""What the quickest frame event takes from its picture's arrival, at the least."""


def film(clips, rounds, to):
    """All clips, `rounds` times, each of three seconds."""
    given = [part for clip in clips for part in ("-i", str(clip))]
    parts = "".join(f"[{n}:v]fps=25,trim=duration=3,setpts=PTS-STARTPTS[v{n}];[{n}:a]aresample=48000,apad,atrim=duration=3[a{n}];" for n in range(len(clips)))
    joined = "".join(f"[v{n}][a{n}]" for n in range(len(clips)))
    once = to.with_name("once.mp4")
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", *given, "-filter_complex", f"{parts}{joined}concat=n={len(clips)}:v=1:a=1[v][a]", "-map", "[v]", "-map", "[a]",
         "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-g", "25", "-bf", "0", "-c:a", "aac", "-b:a", "128k", str(once)],
        check=True,
    )
    subprocess.run(["ffmpeg", "-loglevel", "error", "-stream_loop", str(rounds - 1), "-i", str(once), "-c", "copy", "-movflags", "+faststart", str(to)], check=True)


def sentence(align):
    """Seconds in which the first word begins and the last one ends; alignments are in 1/25 ms."""
    words = [line.split() for line in align.read_text().splitlines()]
    said = [(int(start) / 25000, int(end) / 25000) for start, end, word in words if word not in ("sil", "sp")]
    return said[0][0], said[-1][1]


def follow(address, stream, seconds):
    """(wall time, kind, data) of all events."""
    until = time.monotonic() + seconds
    kind = ""
    with urllib.request.urlopen(f"{address}/api/v1/events?streams={stream}&kinds=frame,transcript", timeout=60) as lines:
        for line in lines:
            name, _, value = line.decode().strip().partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield time.monotonic(), kind, json.loads(value)["data"]
            if time.monotonic() > until:
                return


def told(events, sentences):
    """Delays of partials and finals of each sentence that was heard, in seconds, and how many were."""
    frames = [wall - data["pts_ns"] / 1e9 for wall, kind, data in events if kind == "frame"]
    came = min(frames) - QUICKEST_S
    first, last, finals = {}, {}, 0
    for wall, kind, data in events:
        if kind != "transcript" or not data["text"]:
            continue
        middle = (data["start_ns"] + data["end_ns"]) / 2e9
        at = next((at for at, (start, end) in enumerate(sentences) if start - 0.3 <= middle <= end + 0.3), None)
        if at is None:
            continue
        first.setdefault(at, wall - came - sentences[at][0])
        if data["final"]:
            finals += 1
            last[at] = wall - came - sentences[at][1]
    return sorted(first.values()), sorted(last.values()), finals


def listened(folder, shown, seconds, lip_reading):
    """All events of the film as a live stream."""
    port = free_port()
    (folder / "polygraph.toml").write_text(
        f'[http]\nlisten = "127.0.0.1:{port}"\n[store]\nfolder = "{folder}/state"\n[allow]\nhosts = ["127.0.0.1"]\n'
    )
    server = subprocess.Popen([RELEASE / "rtsp-server", shown], stdout=subprocess.PIPE, text=True)
    service = subprocess.Popen([RELEASE / "polygraph", "run", folder / "polygraph.toml"])
    try:
        address, camera = f"http://127.0.0.1:{port}", server.stdout.readline().split()[1]
        wait_for(address)
        stream = {"id": f"talk-{lip_reading}".lower(), "uri": f"rtsp://127.0.0.1:{camera}/live", "lip_reading": lip_reading}
        urllib.request.urlopen(urllib.request.Request(f"{address}/api/v1/streams", json.dumps(stream).encode(), {"Content-Type": "application/json"}))
        return list(follow(address, stream["id"], seconds))
    finally:
        service.terminate(), server.terminate()
        service.wait(), server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    clips = sorted(clip for clip in args.folder.glob("*.mpg") if clip.with_suffix(".align").exists())
    once = [sentence(clip.with_suffix(".align")) for clip in clips]
    sentences = [(at * CLIP_S + start, at * CLIP_S + end) for at, (start, end) in enumerate(once * args.rounds)]
    with tempfile.TemporaryDirectory() as name:
        shown = pathlib.Path(name) / "film.mp4"
        film(clips, args.rounds, shown)
        for lip_reading in (False, True):
            first, last, finals = told(listened(pathlib.Path(name), shown, len(sentences) * CLIP_S - 2, lip_reading), sentences)
            print(f"lip_reading = {str(lip_reading).lower()}: {len(sentences)} sentences, {len(last)} of them with a final, {finals} finals")
            for what, delays in (("first word's beginning to first partial", first), ("last word's end to final", last)):
                print(f"{what}: {delays[len(delays) // 2]:.2f} s (median), {delays[int(len(delays) * 0.95)]:.2f} s (95 %), {delays[-1]:.2f} s (most)", flush=True)


if __name__ == "__main__":
    main()
