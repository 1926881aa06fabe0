"""Starts a host in which folders of ours stand in for built-in drivers: `python -m ... FOLDER TIERHOST-ARGUMENTS`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tierhost.host import catalog, cli

REAL: Final = ".real"


def leave_out(folder: Path) -> Path:
    """Make a folder with a link to each built-in driver that none in `folder` stands in for."""
    ours = {manifest.parent.name for manifest in folder.glob(f"*/{catalog.MANIFEST}")}
    where = folder / REAL
    where.mkdir(exist_ok=True)
    for manifest in catalog.BUILT_IN.glob(f"*/{catalog.MANIFEST}"):
        link = where / manifest.parent.name
        link.unlink(missing_ok=True)
        if link.name not in ours:
            link.symlink_to(manifest.parent)
    return where


def main(argv: list[str]) -> int:
    """Run the host; return its exit code."""
    folder, *arguments = argv
    # The catalog looks here for the real ones; ours come as any stranger's do.
    catalog.BUILT_IN = leave_out(Path(folder).absolute())
    return cli.main([*arguments, "--drivers", folder])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
