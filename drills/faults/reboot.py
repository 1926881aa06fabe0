"""A reboot: everything ends, guests too; mounts and the run directory are gone; the next boot has another id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tierhost.drills.faults import BadPlan, NotFired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target


@runtime_checkable
class Reboots(Protocol):
    """A target that can be rebooted: all of it ends, and the next start is in another boot."""

    def reboot(self, *, keep_run: bool = False) -> str:
        """End everything, and return the next boot's id. `keep_run`: the run directory is on a disk, and stays."""


class Reboot:
    """Power off, and on again when it is healed. `keep_run`: with a run directory that outlives the boot, as on a plain disk."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        unknown = set(options) - {"keep_run"}
        if unknown:
            raise BadPlan(f"a reboot has no option {', '.join(sorted(unknown))}", hint="known: keep_run")
        self._keep_run = options.get("keep_run", False) is True
        self._target = target
        self._down = False

    def strike(self) -> str:
        """End everything."""
        if not isinstance(self._target, Reboots):
            raise BadPlan(f"the target {self._target.name!r} cannot be rebooted")
        self._down = True
        boot_id = self._target.reboot(keep_run=self._keep_run)
        left = self._target.pids("everything") + self._target.pids("guests")
        if left:
            raise NotFired(f"pids {left} outlived the reboot")
        return f"no process and no mount is left, and the next boot's id is {boot_id}"

    def heal(self) -> None:
        """Boot."""
        if self._down:
            self._target.start()
            self._down = False


KINDS = {"reboot": Reboot}
