# SPDX-License-Identifier: Apache-2.0
"""Segments of the four quadrants, true or fake picture by true or fake voice, each with its own sound and with another's.

    quadrants.py --people PERSON=CLIP... PERSON=FOLDER... --kinds KIND... --blazeface ONNX --out FOLDER
    polygraph analyze FOLDER/*.mkv --out FOLDER/found --no-transcript --no-scenes --no-shots --quiet

Two clips of a person (or one twice) make a segment of some six seconds, and there are eight of each pair. A fake picture is one of
`manipulate`'s; a fake voice is the sound as it is, built again by a vocoder, so that words and timing stay; another's sound is of
other clips (of the same person where there is no other). Names are PERSON.PAIR.PVS.mkv: P, V and S are 1 where the picture
is fake, the voice is fake, the sound is another's.
"""

import argparse
from pathlib import Path

import numpy as np

from ..planted import FPS, People, encode, mixed, sound
from ..voice import copies

CELLS = [(picture, voice, other) for picture in (0, 1) for voice in (0, 1) for other in (0, 1)]


def other_sound(people, person, pair, chance, seconds):
    """Sound of other clips: of somebody else, or else of the same person."""
    others = [name for name in people.clips if name != person]
    if others:
        return sound(people.pair(others[chance.integers(len(others))], chance), seconds)
    clips = [clip for clip in people.clips[person] if clip not in pair]
    return sound([clips[at] for at in chance.permutation(len(clips))[:2]], seconds)


def pairs(clips, most):
    """Each clip once; one that has no partner is shown twice."""
    found = [clips[at : at + 2] for at in range(0, len(clips), 2)]
    return [pair if len(pair) == 2 else pair * 2 for pair in found][:most]


def segments(people, person, pair, kinds, chance):
    """Of a pair: cell, pictures and sound; nothing where no face is found."""
    true = [frame for clip in pair for frame in people.pictures(clip)[0]]
    fake = mixed(people, person, pair, kinds[chance.integers(len(kinds))], chance)
    if fake is None:
        return
    seconds = len(true) / FPS
    waves = {0: sound(pair, seconds), 1: other_sound(people, person, pair, chance, seconds)}
    method = sorted(copies.METHODS)[chance.integers(len(copies.METHODS))]
    built = {other: copies.copy(wave, copies.METHODS[method], chance) for other, wave in waves.items()}
    for cell in CELLS:
        picture, voice, other = cell
        yield cell, fake if picture else true, (built if voice else waves)[other]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--kinds", nargs="+", required=True)
    parser.add_argument("--blazeface", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=50, help="most of a person")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    people = People(args.people, args.blazeface)
    args.out.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(args.seed)
    count = 0
    for person, clips in people.clips.items():
        for number, pair in enumerate(pairs(clips, args.pairs)):
            for cell, pictures, wave in segments(people, person, pair, args.kinds, chance):
                name = f"{person}.{number:03}.{''.join(map(str, cell))}.mkv"
                encode(pictures, wave, args.out / name)
                count += 1
            people.known.clear()
    print(f"{args.out}: {count} segments")


if __name__ == "__main__":
    main()
