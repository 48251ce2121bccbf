"""The one door of the image: `inspect REQUEST`, `advisories` (request on standard input), `tidy`.

Python is started isolated (`-I`), so that no module of the scanned source can be imported by accident.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from programs import advisories, inspection, place  # type: ignore[import-not-found,unused-ignore]


def main(arguments: list[str]) -> int:
    """Run the program that the first argument names; 2 for a name that is not known."""
    match arguments:
        case ["inspect", request]:
            inspection.main(request)
        case ["advisories"]:
            advisories.main(sys.stdin.read())
        case ["tidy"]:
            place.tidy()
        case _:
            sys.stderr.write(f"unknown program: {' '.join(arguments)}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
