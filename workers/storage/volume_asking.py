"""The volume calls of libvirt that only ask."""

from __future__ import annotations

import os
from typing import Any

from tierhost.workers.runtime.arguments import check_flags, check_text, check_whole
from tierhost.workers.runtime.contract import Code, DriverError, read
from tierhost.workers.storage.base import StorageBase
from tierhost.workers.storage.looking import volume_names, volume_subject
from tierhost.workers.storage.volume_backend import PIECE_BYTES
from tierhost.workers.storage.volume_xml import CAPACITY_MAX, describe_volume


class VolumeQuestions(StorageBase):
    """Never queued behind a change; they read a stat and a header of each file they are about."""

    @read()
    def storage_vol_list(self, pool: str) -> list[dict[str, str]]:
        """List the volumes of an active pool by name and path."""
        found = self.usable(pool)
        names, _ = volume_names(found, self.bench.glance(found))
        return [{"name": name, "path": found.path(name)} for name in names]

    @read()
    def storage_vol_get_info(self, pool: str, volume: str) -> dict[str, Any]:
        """Type, capacity, allocation and physical bytes, format, whether it is encrypted, and who holds it."""
        found = self.usable(pool)
        seen = self.bench.look(found, volume)
        shown: dict[str, Any] = {
            "name": seen.name,
            "path": seen.path,
            "type": seen.kind,
            "format": seen.header.format,
            "encrypted": seen.header.luks,
            "capacity": seen.header.capacity,
            "allocation": seen.allocation,
            "physical": seen.size,
            "holders": self.bench.occupancy.holders(found.uuid, seen.name),
        }
        return {**shown, "damage": seen.header.damage} if seen.header.damage else shown

    @read()
    def storage_vol_get_xml_desc(self, pool: str, volume: str, flags: int = 0) -> str:
        """Return a volume's XML as it is now."""
        check_flags(flags)
        return describe_volume(self.bench.look(self.usable(pool), volume))

    @read()
    def storage_vol_lookup_by_name(self, pool: str, volume: str) -> dict[str, str]:
        """Show a volume of a pool."""
        found = self.usable(pool)
        seen = self.bench.look(found, volume)
        return {"pool": found.name, "name": seen.name, "key": seen.path, "path": seen.path}

    @read()
    def storage_vol_lookup_by_path(self, path: str) -> dict[str, str]:
        """Show the volume at a path."""
        clean = os.path.normpath(check_text(path, "path"))
        found = self.bench.pools.of_volume(clean)
        if found is None or not found[0].active:
            raise DriverError(
                f"no storage volume with matching path '{clean[:200]}'",
                code=Code.NO_STORAGE_VOL,
                hint="its pool may be inactive: tierhost call storage.storage_pool_list",
            )
        return self.storage_vol_lookup_by_name(found[0].uuid, found[1])

    @read()
    def storage_vol_lookup_by_key(self, key: str) -> dict[str, str]:
        """Show the volume with this key, which is its path."""
        return self.storage_vol_lookup_by_path(key)

    @read()
    def storage_vol_download(self, pool: str, volume: str, offset: int = 0, length: int = PIECE_BYTES) -> bytes:
        """Read a piece of at most 4 MiB of a volume; less at its end, nothing beyond it."""
        check_whole(offset, "offset", 0, CAPACITY_MAX)
        check_whole(length, "length", 0, PIECE_BYTES)
        found = self.usable(pool)
        seen = self.bench.look(found, volume)
        try:
            return found.volumes.read(found, seen, offset, length, self.bench.glance(found))
        except OSError as error:
            raise DriverError(
                f"cannot read it: {error.strerror}", code=Code.SYSTEM_ERROR, subject=volume_subject(found, volume)
            ) from None
