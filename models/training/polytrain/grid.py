# SPDX-License-Identifier: Apache-2.0
"""GRID speaker 1 (Cooke et al., JASA 2006; CC BY 4.0) and the fixed split of its 1,000 clips by sorted position."""

from pathlib import Path

LAYOUT = "folder with the 1,000 clips *.mpg of GRID speaker 1"
TRAIN = (0, 1, 2, 4, 5, 6)
TEST = (7,)
FUSION = (8,)
CALIBRATION = (9,)
# Position 3 is reserved: nothing here names it.


def clips(folder: Path, positions):
    """Paths of the clips whose sorted position, modulo 10, is one of `positions`."""
    found = sorted(Path(folder).glob("*.mpg"))
    if len(found) != 1000:
        raise SystemExit(f"{folder} has {len(found)} clips: --folder wants a {LAYOUT}")
    return [clip for at, clip in enumerate(found) if at % 10 in positions]
