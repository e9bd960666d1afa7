# SPDX-License-Identifier: Apache-2.0
"""How often each network has to run on a clip, by the rates in its card."""

import json
import math
import pathlib
import tomllib

SECONDS = 120.0
"""Length of the demo's programme."""

WINDOW = 4.0
"""The recogniser hears at most this much at a time, in seconds."""

PARTIAL_EVERY = 0.5
"""Seconds of speech from one partial transcript to the next."""


def utterances(events: pathlib.Path) -> list[tuple[float, float]]:
    """Start and end, in seconds, of the utterances that have a final transcript."""
    found = []
    for line in events.open():
        event = json.loads(line)
        if event["type"].startswith("io.polygraph.transcript.") and event["data"]["final"]:
            found.append((event["data"]["start_ns"] / 1e9, event["data"]["end_ns"] / 1e9))
    return found


def spans(heard: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The stretches of sound that the recogniser hears: a partial every half second of speech, then the final."""
    calls = []
    for start, end in heard:
        partials = int((end - start) / PARTIAL_EVERY)
        ends = [start + PARTIAL_EVERY * (n + 1) for n in range(partials)] + [end]
        calls += [(max(start, at - WINDOW), at) for at in ends]
    return calls


def prescribed(cards: pathlib.Path, seconds: float, utterances: list[tuple[float, float]]) -> dict[str, int]:
    """Calls by network. A started second counts, since a rate says nothing of where in it the call falls."""
    units = {
        "second-of-video": seconds,
        "second-of-sound": seconds,
        "second-of-speech": sum(end - start for start, end in utterances),
        "utterance": len(utterances),
    }
    wanted = {}
    for path in sorted(cards.glob("*.toml")):
        card = tomllib.loads(path.read_text())
        rates = card.get("rates", [])
        if rates and all(rate["per"] in units for rate in rates):
            wanted[card["name"]] = sum(math.ceil(rate["calls"] * units[rate["per"]]) for rate in rates)
    return wanted
