# SPDX-License-Identifier: Apache-2.0
"""What single analysers cost beyond decoding, and that a stream with all of them off costs decoding alone.

On a clip of 720p25 it measures, interleaved and on one core, CPU seconds (user and system, all threads) of

    decode    uridecodebin into fakesinks, as a floor
    off       polygraph analyze with every analyser off
    shots     the same with shot boundaries alone
    faults    the same with the faults of picture and sound alone
    scenes    the same with shot boundaries and scene labels
    text      the same with text on screen alone

and, given a clip of one face that talks,

    activity  speech activity and loudness, without pictures
    voice     the same with signs of a synthetic voice
    faces     polygraph analyze with faces and speech activity, and no networks for signs of manipulation
    lip-sync  the same with lips compared with the sound

    analysers.py CLIP [--talk CLIP] [--repeats N]

Raw figures go to tests/bench/results/.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "target/release"
OFF = ["--no-faces", "--no-voice", "--no-transcript", "--no-scenes"]
FAULTS = "picture,sound"


def measure(command, core):
    """CPU and wall seconds of a command on one core."""
    started = datetime.datetime.now()
    process = subprocess.Popen(["taskset", "--cpu-list", str(core), *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    wall = (datetime.datetime.now() - started).total_seconds()
    return {"cpu_s": round(usage.ru_utime + usage.ru_stime, 3), "wall_s": round(wall, 3)}


def length(clip):
    """Seconds."""
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(clip)]
    return float(subprocess.run(probe, capture_output=True, text=True, check=True).stdout)


def talking(clip, out):
    """Commands for a clip of one face that talks."""
    hear = lambda synthetic: ["gst-launch-1.0", "-q", "uridecodebin", f"uri={clip.as_uri()}", *f"! audioconvert ! polyvoice synthetic={synthetic} ! fakesink sync=false".split()]
    see = [BIN / "polygraph", "analyze", clip, "--out", out, "--quiet", "--no-transcript", "--no-scenes", "--no-shots", "--no-forensics"]
    return {"activity": hear("false"), "voice": hear("true"), "faces": [*see, "--no-lip-sync"], "lip-sync": see}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clip", type=pathlib.Path)
    options.add_argument("--talk", type=pathlib.Path)
    options.add_argument("--repeats", type=int, default=5)
    asked = options.parse_args()
    clip = asked.clip.resolve()
    seconds = length(clip)
    os.environ["GST_PLUGIN_PATH"] = str(BIN)
    core = min(os.sched_getaffinity(0))
    sink = "! queue ! fakesink sync=false"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        analyze = [BIN / "polygraph", "analyze", clip, "--out", out, "--quiet", *OFF]
        commands = {
            "decode": ["gst-launch-1.0", "-q", "uridecodebin", f"uri={clip.as_uri()}", "name=d", *f"d. {sink} d. {sink}".split()],
            "off": [*analyze, "--no-shots"],
            "shots": analyze,
            "faults": [*analyze, "--no-shots", "--faults", FAULTS],
        }
        commands["scenes"] = [argument for argument in analyze if argument != "--no-scenes"]
        commands["text"] = [*analyze, "--no-shots", "--screen-text"]
        talk = asked.talk.resolve() if asked.talk else None
        commands |= talking(talk, out) if talk else {}
        raw = {name: [] for name in commands}
        for _ in range(asked.repeats):
            for name, command in commands.items():
                raw[name].append(measure(command, core))
    medians = {name: statistics.median(run["cpu_s"] for run in runs) for name, runs in raw.items()}
    # Of each round by itself: whatever else the machine did met all of them.
    over = lambda name, floor, seconds: round(statistics.median(
        (run["cpu_s"] - base["cpu_s"]) / seconds * 100 for run, base in zip(raw[name], raw[floor])
    ), 3)
    ratio = statistics.median(run["cpu_s"] / base["cpu_s"] for run, base in zip(raw["off"], raw["decode"]))
    record = {
        "kind": "analysers",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip(),
        "hardware": next(
            (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
        ),
        "load_average": os.getloadavg(),
        "clip": clip.name,
        "seconds": seconds,
        "raw": raw,
        "median_cpu_s": medians,
        "off_over_decode": round(ratio, 4),
        "percent_of_a_core_beyond_off": {name: over(name, "off", seconds) for name in ("shots", "faults", "scenes", "text")},
    }
    if talk:
        seconds = length(talk)
        record["talk"] = {
            "seconds": seconds,
            "percent_of_a_core": {"voice beyond activity": over("voice", "activity", seconds), "lip-sync beyond faces": over("lip-sync", "faces", seconds)},
        }
    path = ROOT / "tests/bench/results" / f"{record['date'][:10]}-analysers.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({key: record[key] for key in ("median_cpu_s", "off_over_decode", "percent_of_a_core_beyond_off", "talk") if key in record}, indent=1))


if __name__ == "__main__":
    main()
