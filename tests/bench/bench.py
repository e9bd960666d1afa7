# SPDX-License-Identifier: Apache-2.0
"""What the analysis costs, held against its parts and against a plain Python script. Started by `./dev bench`.

On one clip (the demo's programme, 720p25) it measures, interleaved and several times over:

    a  polygraph analyze
    b  decode alone: uridecodebin into fakesinks, the same decoders
    c  the networks alone, for the calls that the cards' rates prescribe on this clip
    d  peer/peer.py, the same networks at the same rates

and checks, on medians of CPU seconds (user and system, all threads):

    calls      a runs no network more often than the cards prescribe
    overhead   a - b - c <= (d - b - c) / 4
    budget     a <= 1.25 (b + c)

Each of them is held to one and the same core: two hardware threads of one core slow each other down, so a run of several
threads would be charged more CPU seconds for the same work. It makes the decoders alike as well: GStreamer's H.264
decoder takes frame threads and PyAV's takes slice threads unless told otherwise, and on one core neither is the faster
for them.

With --memory it measures peak memory on two and on ten minutes instead. Raw figures go to tests/bench/results/.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

import calls
import report

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "out/bench"
CLIP = ROOT / "out/demo/programme.mp4"
SECONDS = 120.0
BIN = ROOT / "target/release"
HOME = pathlib.Path(os.environ["POLYGRAPH_HOME"])


def measure(command: list, output: pathlib.Path | None = None, core: int | None = None) -> dict:
    """Runs a command, on one core if one is named; its CPU and wall seconds and its peak resident memory."""
    pinned = [] if core is None else ["taskset", "--cpu-list", core]
    started = datetime.datetime.now()
    with (output or pathlib.Path(os.devnull)).open("w") as out, (OUT / "stderr.log").open("w") as err:
        process = subprocess.Popen([str(word) for word in [*pinned, *command]], stdout=out, stderr=err, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: {command[0]} ended with {process.returncode}: {(OUT / 'stderr.log').read_text()[-2000:]}")
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "wall_s": round((datetime.datetime.now() - started).total_seconds(), 3),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }


def analyze(clip: pathlib.Path, out: pathlib.Path) -> list:
    """The command line of a."""
    # The script that it is compared with labels no scenes.
    return [BIN / "polygraph", "analyze", clip, "--out", out, "--no-scenes"]


def speed(repeats: int, core: int) -> dict:
    """Measures a, b, c and d, interleaved, so that a busy minute of the machine meets all of them."""
    wave = OUT / "clip.f32"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", CLIP, "-vn", "-ac", "1", "-ar", "16000", "-f", "f32le", wave],
        check=True,
    )
    # A first run, not counted: it warms the page cache, and tells how long there are faces to look at.
    measure(analyze(CLIP, OUT / "analyze"))
    first = json.loads((OUT / "analyze/summary.json").read_text())
    face_seconds = calls.face_seconds(first)
    wanted = calls.prescribed(ROOT / "models/cards", SECONDS, face_seconds, 0.0, 0)
    # A face that can't be judged costs no call: c makes no more of them than a, nor than the card allows.
    faces = min(wanted["face-forensics"], first["network_runs"].get("face-forensics", 0))

    uri = f"uri={CLIP.as_uri()}"
    sink = "! queue ! fakesink sync=false"
    commands = {
        "a": analyze(CLIP, OUT / "analyze"),
        "b": ["gst-launch-1.0", "-q", "uridecodebin", uri, "name=d", *f"d. {sink} d. {sink}".split()],
        "c": [BIN / "networks-alone", wave, wanted["blazeface-back"], faces],
        "d": [sys.executable, ROOT / "tests/bench/peer/peer.py", CLIP, HOME / "networks", OUT / "peer.ndjson"],
    }
    raw = {name: [] for name in commands}
    for repeat in range(repeats):
        for name, command in commands.items():
            raw[name].append(measure(command, OUT / f"{name}.out", core))
            print(f"  {repeat + 1}/{repeats} {name}: {raw[name][-1]}", file=sys.stderr)
    alone = json.loads((OUT / "c.out").read_text())
    return {
        "raw": raw,
        "heard": {"utterances": alone["utterances"], "speech_seconds": alone["speech_seconds"]},
        "seen": {"face_seconds": round(face_seconds, 3)},
        "calls": {
            "prescribed": calls.prescribed(
                ROOT / "models/cards", SECONDS, face_seconds, alone["speech_seconds"], alone["utterances"]
            ),
            "polygraph": json.loads((OUT / "analyze/summary.json").read_text())["network_runs"],
            "networks_alone": alone["runs"],
            "peer": json.loads((OUT / "d.out").read_text())["runs"],
        },
    }


def memory() -> dict:
    """Peak memory of a on the clip, and on five of it one after the other."""
    long = OUT / "ten-minutes.mp4"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-stream_loop", "4", "-i", CLIP, "-c", "copy", long], check=True
    )
    return {
        "two_minutes": measure(analyze(CLIP, OUT / "analyze")),
        "ten_minutes": measure(analyze(long, OUT / "ten-minutes")),
    }


def main() -> None:
    """Measures, prints, writes the raw figures, and fails when a claim doesn't hold."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--memory", action="store_true", help="peak memory instead of speed")
    options.add_argument("--repeats", type=int, default=3, help="of each measurement (default: 3)")
    asked = options.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    # The first core that this process may use, core 0 nearly everywhere.
    core = None if asked.memory else min(os.sched_getaffinity(0))
    measured = memory() if core is None else speed(asked.repeats, core)
    claims = report.memory_claims(measured) if asked.memory else report.speed_claims(measured)
    record = {**report.heading(ROOT, CLIP, core), "kind": "memory" if asked.memory else "speed", **measured, "claims": claims}
    path = report.write(ROOT / "tests/bench/results", record)
    report.show(record, path)
    sys.exit(0 if all(claim["holds"] for claim in claims) else 1)


if __name__ == "__main__":
    main()
