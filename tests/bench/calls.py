# SPDX-License-Identifier: Apache-2.0
"""How often each network has to run on a clip, by the rates in its card."""

import math
import pathlib
import tomllib


def prescribed(
    cards: pathlib.Path, seconds: float, face_seconds: float, speech_seconds: float, utterances: int
) -> dict[str, int]:
    """Calls by card, for the cards that have a rate in these units. Decoder steps depend on what is said: no limit."""
    units = {
        "second-of-video": seconds,
        "second-of-sound": seconds,
        "second-of-face": face_seconds,
        "second-of-speech": speech_seconds,
        "utterance": utterances,
    }
    wanted = {}
    for path in sorted(cards.glob("*.toml")):
        card = tomllib.loads(path.read_text())
        rates = card.get("rates", [])
        if rates and all(rate["per"] in units for rate in rates):
            wanted[card["name"]] = sum(math.ceil(rate["calls"] * units[rate["per"]]) for rate in rates)
    return wanted


def face_seconds(summary: dict, analysis_fps: float = 5.0) -> float:
    """Seconds of video in which faces were followed, two faces counting twice: each until the look after its last one."""
    return sum((track["last_ns"] - track["first_ns"]) / 1e9 + 1 / analysis_fps for track in summary["tracks"])
