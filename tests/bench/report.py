# SPDX-License-Identifier: Apache-2.0
"""The claims of the bench, and its figures on the terminal and on disk."""

import datetime
import hashlib
import json
import os
import pathlib
import platform
import statistics
import subprocess


def command(*words: str, cwd: pathlib.Path | None = None) -> str:
    """First line of what a command prints."""
    return (subprocess.run(words, capture_output=True, text=True, cwd=cwd).stdout.splitlines() or [""])[0]


def heading(root: pathlib.Path, clip: pathlib.Path, core: int | None) -> dict:
    """When, on what and of what the figures are; `core` is the one that each run was held to."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    memory_kb = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": command("git", "rev-parse", "HEAD", cwd=root),
        "uncommitted_changes": bool(command("git", "status", "--porcelain", "--untracked-files=no", cwd=root)),
        "hardware": {
            "cpu": names[0] if names else platform.processor(),
            "cpus": os.cpu_count(),
            "held_to_core": core,
            "memory_gb": round(memory_kb / 1024 / 1024, 1),
            "load_before": round(os.getloadavg()[0], 2),
        },
        "software": {
            "os": platform.freedesktop_os_release().get("PRETTY_NAME"),
            "kernel": platform.release(),
            "gstreamer": command("gst-launch-1.0", "--version"),
            "rustc": command("rustc", "--version"),
            "python": platform.python_version(),
        },
        "clip_sha256": hashlib.sha256(clip.read_bytes()).hexdigest(),
    }


def claim(text: str, value: float, limit: float) -> dict:
    """A claim that a value is at most its limit."""
    return {"claim": text, "value": round(value, 3), "limit": round(limit, 3), "holds": value <= limit}


def speed_claims(measured: dict) -> list[dict]:
    """On medians of CPU seconds, and on the calls."""
    a, b, c, d = (statistics.median(run["cpu_s"] for run in measured["raw"][name]) for name in "abcd")
    ran, wanted = measured["calls"]["polygraph"], measured["calls"]["prescribed"]
    return [
        *(claim(f"calls of {name}", ran.get(name, 0), limit) for name, limit in wanted.items() if name in ran),
        claim("overhead: a - b - c <= (d - b - c) / 4, CPU s", a - b - c, (d - b - c) / 4),
        claim("budget: a <= 1.25 (b + c), CPU s", a, 1.25 * (b + c)),
    ]


def memory_claims(measured: dict) -> list[dict]:
    """Under 600 MB, and no growth with the length beyond what repeated runs scatter."""
    two, ten = measured["two_minutes"]["peak_mb"], measured["ten_minutes"]["peak_mb"]
    return [claim("peak on ten minutes, MB", ten, 600), claim("ten minutes against two, MB", ten, 1.1 * two)]


def write(folder: pathlib.Path, record: dict) -> pathlib.Path:
    """Writes the record to a file named after its day and host."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record['date'][:10]}-{platform.node()}-{record['kind']}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    return path


def show(record: dict, path: pathlib.Path) -> None:
    """Prints medians and claims."""
    meaning = {"a": "polygraph analyze", "b": "decode alone", "c": "networks alone", "d": "Python script"}
    core = record["hardware"]["held_to_core"]
    held = "" if core is None else f", each run on core {core} alone"
    print(f"{record['hardware']['cpu']}, {record['hardware']['cpus']} CPUs{held}, commit {record['commit'][:12]}")
    for name, runs in record.get("raw", {}).items():
        cpu, wall, peak = (statistics.median(run[key] for run in runs) for key in ("cpu_s", "wall_s", "peak_mb"))
        print(f"  {name}  {meaning[name]:18} {cpu:7.2f} CPU s  {wall:7.2f} s wall  {peak:6.0f} MB")
    for item in record["claims"]:
        mark = "holds" if item["holds"] else "FAILS"
        print(f"  {mark}  {item['claim']}: {item['value']:g} (limit {item['limit']:g})")
    print(f"raw figures: {path}")
