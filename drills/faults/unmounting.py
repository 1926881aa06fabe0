"""A file system that is unmounted behind the back of the driver that had mounted it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired
from tierhost.drills.faults.bodies import check_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

LIMIT_S: Final = 10.0


class Unmount:
    """`target` is the folder below the site's, as "site/vault": its mount is taken away. Whoever had it puts it back."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        check_known("unmount", options, ())
        self._target = target
        self._place = target.folder / whom

    def strike(self) -> str:
        """Unmount it. Lazily: what is open there goes on. Raises NotFired where nothing is mounted, or only root may."""
        if os.geteuid() != 0:
            raise NotFired("only root may unmount", subject=str(self._place))
        if not _is_mounted(self._place):
            raise NotFired("nothing is mounted there", subject=str(self._place), hint="aim at the target of an active pool")
        subprocess.run(["umount", "--lazy", str(self._place)], check=True, timeout=LIMIT_S, capture_output=True)
        if _is_mounted(self._place):
            raise NotFired("it is mounted still, or again", subject=str(self._place))
        return f"nothing is mounted at {self._place} any more"

    def heal(self) -> None:
        """Nothing: the driver is to notice, and to mount it again."""


def _is_mounted(place: Path) -> bool:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.split()[4] == str(place.resolve()) for line in lines)


KINDS: Final = {"unmount": Unmount}
