"""`tierhost` with other drivers under the names of built-in ones: a program of its own, so the product needs no hook for it.

usage: python -m tierhost.drills.race_host BUILT_IN ARGUMENT...: the driver folders in BUILT_IN are all that are built in, and
the rest is `tierhost`'s; its `--drivers` may then bring a driver of a name that is otherwise taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tierhost.host import catalog, cli


def main() -> int:
    """Exchange the folder of built-in drivers, and be `tierhost`."""
    catalog.BUILT_IN = Path(sys.argv.pop(1))
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
