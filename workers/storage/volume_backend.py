"""What volumes of one kind (files, images of a cluster, logical volumes, LUNs) must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.looking import Look
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_xml import VolumeDefinition

Identity = int | str
"""What tells a volume from another one of its name: a file's inode, an image's id."""

Row = Mapping[str, Any]
"""What is recorded of a volume that it does not say itself: "format", "encryption", "extras", and its "inode" (identity)."""

PIECE_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Original:
    """A volume whose contents a new one gets; `key` opens it if it is encrypted, `effort` reaches its pool."""

    pool: Pool
    look: Look
    key: bytes | None
    effort: Effort


@dataclass(frozen=True, slots=True)
class Making:
    """A volume to be made: its definition, its capacity (None: that of its backing image), its key, its contents."""

    wanted: VolumeDefinition
    capacity: int | None
    key: bytes | None = None
    original: Original | None = None
    preallocate: bool = False
    luks_iterations: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of a whole pool."""

    capacity: int = 0
    allocation: int = 0
    available: int = 0


class VolumeBackend:
    """One kind of volume. Stateless: all it needs comes with each call.

    `effort` says until when, and for remote pools carries the link. Errors are DriverError or OSError; the caller names
    the volume. What is not overridden is refused as unsupported.

    A volume is made in steps that a crash may cut apart anywhere: `token` makes up what is written down before the first
    effect, `fill` makes the volume under that token, invisible or recognizable as half made, `publish` shows it in one
    step. Afterwards `settle_making` tells by the token alone whether the volume is whole, and removes it if not.
    """

    kind: ClassVar[str]
    """libvirt's volume type: "file", "block" or "network"."""

    def path(self, definition: PoolDefinition, name: str) -> str:
        """Return a volume's path, which is also its key."""
        raise NotImplementedError

    def name_at(self, definition: PoolDefinition, path: str) -> str | None:
        """Return the name a volume with this path would have in the pool, whether it is there or not; else None."""
        raise NotImplementedError

    def row_key(self, definition: PoolDefinition, name: str) -> str:
        """Under what its row and its intents are kept. A path is unique on this machine; on servers it is not."""
        return f"{definition.uuid} {name}"

    def name_of_row(self, definition: PoolDefinition, key: str) -> str | None:
        """Return the volume's name if a row's key is one of this pool's, else None."""
        uuid, _, name = key.partition(" ")
        return name if uuid == definition.uuid else None

    # Looking.

    def names(self, pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
        """List the names of the volumes there are, sorted, and the names of what is there and cannot be a volume."""
        raise NotImplementedError

    def look(self, pool: Pool, name: str, row: Row | None, effort: Effort) -> Look:
        """Look at one volume; raise looking.no_volume if it is not there. A row of another identity is not its."""
        raise NotImplementedError

    def exists(self, pool: Pool, name: str, effort: Effort) -> bool:
        """Say whether anything has this name, volume or not."""
        raise NotImplementedError

    def space(self, pool: Pool, effort: Effort) -> Space:
        """Measure the pool."""
        raise NotImplementedError

    def connection(self, pool: Pool, look: Look) -> dict[str, Any]:
        """Say how a guest's disk reaches the volume: {"type": "file"} and the like, see resolve_volume."""
        return {"type": self.kind}

    # Making.

    def check(self, pool: Pool, making: Making) -> None:
        """Raise if a volume like this cannot be made in such a pool; before anything is written down or done."""
        raise unsupported(pool, "volumes cannot be made in it")

    def token(self, pool: Pool) -> str:
        """Make up what tells this making from all others."""
        return ""

    def fill(self, pool: Pool, token: str, making: Making, effort: Effort) -> Identity:
        """Make the volume with its contents, not yet under its name or not yet as a whole one. Returns its identity."""
        raise unsupported(pool, "volumes cannot be made in it")

    def publish(self, pool: Pool, token: str, making: Making, effort: Effort) -> None:
        """Make it durable and show it, never in place of another."""
        raise unsupported(pool, "volumes cannot be made in it")

    def settle_making(self, pool: Pool, name: str, token: str, effort: Effort) -> Identity | None:
        """Find out how a making ended that nobody saw end: the volume's identity if it is whole.

        Else None, after removing what is half made, and nothing that somebody else made.
        """
        raise NotImplementedError

    def unmake(self, pool: Pool, name: str, token: str, identity: Identity | None, effort: Effort) -> None:
        """Take back a making that is reported as failed, however far it came; `identity` is what fill returned, if it did."""
        raise NotImplementedError

    # Changing.

    def remove(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Remove a volume durably; one that is gone already is fine."""
        raise unsupported(pool, "volumes of it cannot be deleted")

    def resize(self, pool: Pool, look: Look, capacity: int, effort: Effort, *, allocate: bool) -> None:
        """Give a volume another capacity, durably; whether that is allowed was checked."""
        raise unsupported(pool, "volumes of it cannot be resized")

    def wipe(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Overwrite all that was ever written with zeros, durably."""
        raise unsupported(pool, "volumes of it cannot be wiped")

    def read(self, pool: Pool, look: Look, offset: int, length: int, effort: Effort) -> bytes:
        """Read at most PIECE_BYTES; less at the end, nothing beyond it."""
        raise unsupported(pool, "volumes of it cannot be read")

    def write(self, pool: Pool, look: Look, offset: int, data: bytes, effort: Effort) -> None:
        """Write at most PIECE_BYTES, durably."""
        raise unsupported(pool, "volumes of it cannot be written")


def unsupported(pool: Pool, why: str, *, hint: str = "") -> DriverError:
    """Make the error for what a kind of volume cannot do."""
    return DriverError(
        f"pool type {pool.definition.type}: {why}", code=Code.OPERATION_UNSUPPORTED, subject=pool.subject, hint=hint
    )
