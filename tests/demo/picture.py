# SPDX-License-Identifier: Apache-2.0
"""Draws the README's picture: a frame of the demo's portrait with what `polyface` found, and the event beside it.

usage: picture.py PROGRAMME EVENTS OUT.png   (`./dev demo` makes the first two; needs the bench's Python environment)
"""

import json
import re
import subprocess
import sys

import cv2
import numpy as np

AT = 40.0
"""Seconds into the programme: in the portrait, which is in the public domain."""

GREEN, GREY, DARK = (120, 230, 80), (220, 220, 220), (30, 26, 24)


def frame_event(events: str) -> dict:
    """The first frame event at or after AT that has a face."""
    for line in open(events):
        event = json.loads(line)
        if event["type"].startswith("io.polygraph.frame.") and event["data"]["pts_ns"] >= AT * 1e9:
            if event["data"]["faces"]:
                return event
    sys.exit(f"{events} has no face after {AT} s")


def picture(programme: str, seconds: float) -> np.ndarray:
    """The picture of the programme at that time, 1280x720 BGR."""
    command = ["ffmpeg", "-v", "error", "-ss", str(seconds), "-i", programme, "-frames:v", "1"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "bgr24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(720, 1280, 3).copy()


def draw(image: np.ndarray, face: dict) -> None:
    """The box with its track, and the points."""
    height, width = image.shape[:2]
    at = lambda x, y: (round(x * width), round(y * height))  # noqa: E731
    x, y, w, h = face["box"]
    cv2.rectangle(image, at(x, y), at(x + w, y + h), GREEN, 3, cv2.LINE_AA)
    label = f"track {face['track']}  score {face['score']:.2f}"
    cv2.putText(image, label, (at(x, y)[0], at(x, y)[1] - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.8, GREEN, 2, cv2.LINE_AA)
    for point in face["points"].values():
        cv2.circle(image, at(*point), 5, GREEN, -1, cv2.LINE_AA)


def rounded(value):
    """The event with short numbers, for reading."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value


def panel(event: dict) -> np.ndarray:
    """The event's text, 1280x720."""
    data = {key: value for key, value in event["data"].items() if key != "networks"}
    shown = rounded({"type": event["type"], "source": event["source"], "data": data})
    image = np.full((720, 700, 3), DARK, np.uint8)
    # Lists of numbers on one line each.
    text = re.sub(r"\[[\d\s.,-]+\]", lambda found: re.sub(r"\s+", " ", found[0]), json.dumps(shown, indent=2))
    lines = text.splitlines()
    step = min(24, 690 // max(len(lines), 1))
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        place = (20 + 12 * indent, 24 + number * step)
        cv2.putText(image, line.lstrip(), place, cv2.FONT_HERSHEY_SIMPLEX, step / 34, GREY, 1, cv2.LINE_AA)
    return image


def main(programme: str, events: str, out: str) -> None:
    """Draws it, at half size."""
    event = frame_event(events)
    image = picture(programme, event["data"]["pts_ns"] / 1e9)
    for face in event["data"]["faces"]:
        draw(image, face)
    both = np.concatenate([image, panel(event)], 1)
    cv2.imwrite(out, cv2.resize(both, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main(*sys.argv[1:4])
