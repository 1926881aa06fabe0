"""What a pool type must be able to do, and how its file is found: backends/<type>.py with a class named Backend."""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from tierhost.workers.runtime.contract import Code
from tierhost.workers.runtime.definitions import Unsupported
from tierhost.workers.storage import backends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.pool_xml import PoolDefinition, Source
    from tierhost.workers.storage.state import Seen

Facts = dict[str, Any]
"""What a back end must remember of one start (a mount's number and device); kept in the run store."""


@dataclass(frozen=True, slots=True)
class Effort:
    """When an act must have ended, and the lock its programs hold while it goes on (see acts.py)."""

    deadline_s: float
    lock_fd: int

    @property
    def limit_s(self) -> float:
        """How long its next program may take."""
        return max(0.0, self.deadline_s - time.monotonic())


class PoolBackend(Protocol):
    """One pool type. Volumes are files in the directory `definition.target` (see files.py).

    A type whose volumes are something else (rbd images, logical volumes) brings what files.py does for them.
    """

    mounts: bool
    """Start and stop change the world: they are recorded as intents, and `seen` tells how far they came."""

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read <source> of a definition, or raise what is wrong with it."""

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """Name what no other pool may use as well: paths of directory and device."""

    def seen(self, definition: PoolDefinition, facts: Mapping[str, Any]) -> Seen:
        """Look whether the pool is active in the world. `facts` are those of its start, if it was recorded."""

    def find_facts(self, definition: PoolDefinition) -> Facts:
        """Find what start would have returned, of a pool that is active in the world."""

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """Make the pool's storage accessible; raise with nothing changed if that fails."""

    def stop(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> None:
        """Undo start; raise with nothing changed if that fails (it is busy)."""

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any]) -> str:
        """Say why an active pool can not be used just now; nothing when it can."""

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make what must be there before the first start."""

    def delete(self, definition: PoolDefinition) -> None:
        """Remove what build made; raise if there is something in it."""


TYPES_OF_LIBVIRT: Final = frozenset(
    ("dir", "fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd", "sheepdog", "gluster", "zfs")
)


def backend_of(pool_type: str) -> PoolBackend:
    """Return the back end of a pool type, loading its file when the first pool of this type turns up."""
    if pool_type not in known_types():
        known = "a libvirt pool type that has no back end here yet" if pool_type in TYPES_OF_LIBVIRT else "no pool type"
        raise Unsupported(
            f"the pool type {pool_type[:40]!r} is {known} (there is: {', '.join(known_types())})",
            code=Code.CONFIG_UNSUPPORTED,
            subject="/pool/@type",
        )
    if pool_type not in _LOADED:
        module = importlib.import_module(f"{backends.__name__}.{pool_type.replace('-', '_')}")
        _LOADED[pool_type] = cast("PoolBackend", module.Backend())
    return _LOADED[pool_type]


def known_types() -> list[str]:
    """List the pool types: the files of the folder backends/."""
    files = (name for folder in backends.__path__ for name in os.listdir(folder) if name.endswith(".py"))
    return sorted(name.removesuffix(".py").replace("_", "-") for name in files if not name.startswith("_"))


_LOADED: Final[dict[str, PoolBackend]] = {}
