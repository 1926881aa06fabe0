"""The volume calls of libvirt that change something."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.arguments import check_flags, check_text, check_whole
from tierhost.workers.runtime.contract import Code, DriverError, change
from tierhost.workers.storage.base import StorageBase
from tierhost.workers.storage.flags import (
    VOL_CREATE_PREALLOC_METADATA,
    VOL_DELETE_ZEROED,
    VOL_RESIZE_ALLOCATE,
    VOL_RESIZE_DELTA,
    VOL_RESIZE_SHRINK,
)
from tierhost.workers.storage.looking import volume_subject
from tierhost.workers.storage.volume_backend import PIECE_BYTES, Making, Original
from tierhost.workers.storage.volume_xml import CAPACITY_MAX, parse_volume

if TYPE_CHECKING:
    from tierhost.workers.storage.looking import Look
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_xml import Encryption

WIPE_ZERO: Final = 0


class VolumeChanges(StorageBase):
    """Create, clone, delete, resize, wipe, upload: one change at a time per volume."""

    @change()
    def storage_vol_create_xml(self, pool: str, xml: str, flags: int = 0) -> dict[str, Any]:
        """Make a volume. It appears when it is whole; whoever dies on the way, none of it stays behind.

        Returns name, key and path, and which elements nobody read.
        """
        check_flags(flags, VOL_CREATE_PREALLOC_METADATA)
        wanted = parse_volume(check_text(xml, "the definition"))
        found = self.usable(pool)
        if wanted.capacity is None and wanted.backing is None:
            raise DriverError("<capacity> is missing", code=Code.XML_ERROR, subject="/volume")
        rounds = self.bench.options.luks_iterations
        making = Making(wanted, wanted.capacity, preallocate=bool(flags), luks_iterations=rounds)
        found.volumes.check(found, making)
        return self._make(found, replace(making, key=self._key(wanted.encryption)))

    @change()
    def storage_vol_create_xml_from(self, pool: str, xml: str, source_pool: str, source: str, flags: int = 0) -> dict[str, Any]:
        """Make a volume with the contents of another, from and to any format, out of and into encryption."""
        check_flags(flags)
        wanted = parse_volume(check_text(xml, "the definition"))
        found, from_pool = self.usable(pool), self.usable(source_pool)
        seen = self.bench.look(from_pool, source)
        capacity = max(wanted.capacity or 0, seen.header.capacity)
        making = Making(wanted, capacity, luks_iterations=self.bench.options.luks_iterations)
        found.volumes.check(found, making)
        original = Original(from_pool, seen, self._key_of(seen, from_pool), self.bench.glance(from_pool))
        making = replace(making, key=self._key(wanted.encryption), original=original)
        if (found.uuid, wanted.name) == (from_pool.uuid, seen.name):
            raise DriverError("it exists already", code=Code.STORAGE_VOL_EXIST, subject=volume_subject(found, wanted.name))
        with self.bench.occupancy.reading((from_pool.uuid, seen.name), volume_subject(from_pool, seen.name)):
            return self._make(found, making)

    @change()
    def storage_vol_delete(self, pool: str, volume: str, flags: int = 0) -> None:
        """Delete a volume; with flag 1 it is overwritten first. Refused while a guest uses it."""
        check_flags(flags, VOL_DELETE_ZEROED)
        found = self.usable(pool)
        self.work.delete(found, volume, zeroed=bool(flags & VOL_DELETE_ZEROED))
        self.context.emit("volume-deleted", volume, {"pool": found.name})

    @change()
    def storage_vol_resize(self, pool: str, volume: str, capacity: int, flags: int = 0) -> None:
        """Give a volume another capacity in bytes. Flags: 1 set the space aside, 2 capacity is a difference, 4 may shrink.

        A guest that uses it must not lose its end: shrinking is refused, growing is for raw volumes only.
        """
        check_flags(flags, VOL_RESIZE_ALLOCATE | VOL_RESIZE_DELTA | VOL_RESIZE_SHRINK)
        check_whole(capacity, "capacity", 0, CAPACITY_MAX)
        found = self.usable(pool)
        seen = self.bench.look(found, volume)
        wanted = _wanted_capacity(found, seen, capacity, flags)
        shrinks = wanted < seen.header.capacity
        if flags & VOL_RESIZE_ALLOCATE and seen.header.format != "raw":
            raise DriverError(
                "space can be set aside for raw volumes only",
                code=Code.ARGUMENT_UNSUPPORTED,
                subject=volume_subject(found, volume),
            )
        under_guests = not shrinks and seen.header.format == "raw"
        self.work.resize(found, seen, wanted, allocate=bool(flags & VOL_RESIZE_ALLOCATE), under_guests=under_guests)
        self.context.emit("volume-resized", volume, {"pool": found.name, "capacity": wanted})

    @change()
    def storage_vol_wipe(self, pool: str, volume: str, flags: int = 0) -> None:
        """Overwrite a volume with zeros; it is a raw one afterwards. Refused while a guest uses it."""
        self.storage_vol_wipe_pattern(pool, volume, WIPE_ZERO, flags)

    @change()
    def storage_vol_wipe_pattern(self, pool: str, volume: str, algorithm: int, flags: int = 0) -> None:
        """Overwrite a volume; of libvirt's algorithms there is 0, zeros."""
        check_flags(flags)
        if algorithm != WIPE_ZERO:
            raise DriverError(
                f"wiping algorithm {algorithm!r} is not supported", code=Code.ARGUMENT_UNSUPPORTED, hint="use 0: zeros"
            )
        found = self.usable(pool)
        self.work.wipe(found, volume)
        self.context.emit("volume-wiped", volume, {"pool": found.name})

    @change()
    def storage_vol_upload(self, pool: str, volume: str, data: bytes, offset: int = 0) -> int:
        """Write a piece of at most 4 MiB into a volume. Refused while a guest uses it. Returns how many bytes."""
        if not isinstance(data, bytes) or len(data) > PIECE_BYTES:
            raise DriverError(f"data must be bytes, at most {PIECE_BYTES}", code=Code.INVALID_ARG)
        check_whole(offset, "offset", 0, CAPACITY_MAX)
        found = self.usable(pool)

        def check(seen: Look) -> None:
            # A qcow2 file grows as it is filled; a raw one is its capacity.
            if seen.header.format == "raw" and offset + len(data) > seen.size:
                text = f"bytes {offset} to {offset + len(data)} are beyond its end at {seen.size}"
                raise DriverError(text, code=Code.INVALID_ARG, subject=volume_subject(found, volume))

        self.work.write(found, volume, offset, data, check)
        return len(data)

    # Making.

    def _make(self, pool: Pool, making: Making) -> dict[str, Any]:
        wanted = making.wanted
        path = pool.path(wanted.name)
        reply = {"name": wanted.name, "key": path, "path": path, "pool": pool.name, "unread": list(wanted.unread)}
        row = {"format": wanted.format, "encryption": _secret(wanted.encryption), "extras": list(wanted.extras)}
        self.work.make(pool, making, row, reply)
        self.context.emit("volume-created", wanted.name, {"pool": pool.name})
        return reply

    # Keys: fetched before any lock is taken, since the secret driver may be slow, or dead.

    def _key(self, encryption: Encryption | None) -> bytes | None:
        return None if encryption is None else self._secret_value(encryption.secret_uuid, encryption.secret_usage)

    def _key_of(self, seen: Look, pool: Pool) -> bytes | None:
        if not seen.header.luks:
            return None
        if seen.encryption is None or seen.header.format != "raw":
            raise DriverError(
                "it is encrypted, and which secret opens it is not known here",
                code=Code.OPERATION_UNSUPPORTED,
                subject=volume_subject(pool, seen.name),
            )
        return self._secret_value(seen.encryption["secret_uuid"], seen.encryption["secret_usage"])

    def _secret_value(self, uuid: str, usage: str) -> bytes:
        get_value = self.context.services.secret.get_value
        value: bytes = get_value(uuid=uuid) if uuid else get_value(usage_type="volume", usage_id=usage)
        return value


def _secret(encryption: Encryption | None) -> dict[str, str] | None:
    return None if encryption is None else {"secret_uuid": encryption.secret_uuid, "secret_usage": encryption.secret_usage}


def _wanted_capacity(pool: Pool, seen: Look, capacity: int, flags: int) -> int:
    now, subject = seen.header.capacity, volume_subject(pool, seen.name)
    if seen.header.format not in {"raw", "qcow2"} or seen.header.damage:
        raise DriverError(
            f"a volume of format {seen.header.format} cannot be resized {seen.header.damage}",
            code=Code.OPERATION_UNSUPPORTED,
            subject=subject,
        )
    difference = -capacity if flags & VOL_RESIZE_SHRINK else capacity
    wanted = now + difference if flags & VOL_RESIZE_DELTA else capacity
    if not 0 <= wanted <= CAPACITY_MAX:
        raise DriverError(f"its capacity would be {wanted}", code=Code.INVALID_ARG, subject=subject)
    if wanted < now and not flags & VOL_RESIZE_SHRINK:
        raise DriverError(
            f"capacity {wanted} is less than the {now} it has",
            code=Code.INVALID_ARG,
            subject=subject,
            hint="flag 4 allows to shrink it",
        )
    return wanted
