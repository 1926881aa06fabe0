"""What a pool type must be able to do, and how its file is found: backends/<type>.py with a class named Backend."""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar, cast

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import Unsupported
from tierhost.workers.storage import backends
from tierhost.workers.storage.state import Seen
from tierhost.workers.storage.xml_values import absolute_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.options import Options
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.source_xml import Source
    from tierhost.workers.storage.volume_backend import VolumeBackend

Facts = dict[str, Any]
"""What a back end must remember of one start (a mount's number and device); kept in the run store."""


class Link(Protocol):
    """One life's way to a pool's remote storage, with its key: made by a back end's `connect`, kept by links.py."""

    def is_usable(self) -> bool:
        """Whether it can be asked at all; if not, another one is made, with the key as it is then."""

    def close(self) -> None:
        """Give up the way. Idempotent; whoever still uses it gets an error."""


L = TypeVar("L", bound=Link)


@dataclass(frozen=True, slots=True)
class Effort:
    """When a look or an act must have ended, the lock an act's programs hold (see acts.py; -1: none), and the way there."""

    deadline_s: float
    lock_fd: int = -1
    link: Link | None = None

    @property
    def limit_s(self) -> float:
        """How long its next program may take."""
        return max(0.0, self.deadline_s - time.monotonic())

    def link_as(self, kind: type[L]) -> L:
        """Return the link of a remote pool. Raises if there is none: it was stopped, or replaced, meanwhile."""
        if not isinstance(self.link, kind):
            raise DriverError("its storage is not connected", code=Code.OPERATION_FAILED, hint="try again")
        return self.link


class PoolBackend:
    """One pool type: how its storage becomes accessible. What its volumes are is said by `volumes`.

    The answers here are those of a pool of which nothing can be seen in the world, which needs nothing to be built and
    leaves nothing behind. No method is called with the key missing: `connect` was called before, with no lock held.
    """

    volumes: ClassVar[VolumeBackend]

    changes_world: ClassVar[bool] = False
    """Start and stop change this machine (a mount): they are recorded as intents, and `seen` tells how far they came."""

    remote: ClassVar[bool] = False
    """Its storage is somewhere else and may fall silent: it is asked after initialize, and watched while it is active."""

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read <source> of a definition, or raise what is wrong with it."""
        raise NotImplementedError

    def read_target(self, target: Element | None, pool: Element, source: Source) -> str:
        """Read <target>; here: an absolute path that must be there. Types without a directory return nothing."""
        found = pool.need_child("target")
        return absolute_path(found.need_child("path"))

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """Name what no other pool may use as well: paths of directory and device, places on servers."""
        raise NotImplementedError

    def connect(self, definition: PoolDefinition, key: bytes, options: Options) -> Link | None:
        """Make the way to remote storage; quick, and without a word to it yet. `key` is what <auth> names, or empty."""
        return None

    def seen(self, definition: PoolDefinition, facts: Mapping[str, Any]) -> Seen:
        """Look whether the pool is active in the world. `facts` are those of its start, if it was recorded."""
        return Seen.UNSEEN

    def find_facts(self, definition: PoolDefinition) -> Facts:
        """Find what start would have returned, of a pool that is active in the world."""
        return {}

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """Make the pool's storage accessible; raise with nothing changed if that fails."""
        raise NotImplementedError

    def stop(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> None:
        """Undo start; raise with nothing changed if that fails (it is busy)."""

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """Say why an active pool can not be used just now; nothing when it can. Asked before every call: cheap."""
        raise NotImplementedError

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make what must be there before the first start."""
        raise _not_for(definition, "built")

    def delete(self, definition: PoolDefinition, effort: Effort) -> None:
        """Remove what build made; raise if there is something in it."""
        raise _not_for(definition, "deleted")


def _not_for(definition: PoolDefinition, what: str) -> DriverError:
    return DriverError(
        f"a pool of type {definition.type} cannot be {what} from here",
        code=Code.OPERATION_UNSUPPORTED,
        subject=f"pool {definition.name}",
    )


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
