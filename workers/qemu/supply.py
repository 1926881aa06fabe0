"""What guests need of other drivers: volumes and keys. Asked without any lock held; told what is in use until it is heard."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.backend import Supplies
from tierhost.workers.qemu.blocks import Place
from tierhost.workers.qemu.network_disks import CEPH_CONFIGURATION, key_for_qemu, query_of, remote_of
from tierhost.workers.qemu.state import retry_s
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError
from tierhost.workers.runtime.files import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.qemu.domain import Disk, Domain, Login, Remote
    from tierhost.workers.qemu.roster import Roster


MOMENT_S: Final = 0.5


class Supply:
    """Fetches before a guest starts, and keeps storage informed of what guests use. Thread-safe."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._services = roster.context.services
        self._lock = threading.Lock()
        self._fetching: list[tuple[str, list[list[str]]]] = []
        self._told = 0
        self._heard = 0
        self._hearing = threading.Condition(self._lock)

    # Fetching.

    @contextmanager
    def fetched(self, domain: Domain, disks: tuple[Disk, ...] | None = None) -> Iterator[Supplies]:
        """Fetch what a guest (or some disks of it) needs; on leaving, what nobody came to use is given back.

        Raises the other drivers' errors, under the disk's name. Never call it with the guest's lock held.
        """
        wanted = domain.disks if disks is None else disks
        claim = (domain.uuid, replace(domain, disks=wanted).volumes)
        with self._lock:
            self._fetching.append(claim)
        try:
            supplies = Supplies()
            for disk in wanted:
                self._fetch(domain, disk, supplies)
            yield supplies
        finally:
            with self._lock:
                self._fetching.remove(claim)
            if claim[1] and not self._is_in_use(claim):
                self.tell_storage()

    def _is_in_use(self, claim: tuple[str, list[list[str]]]) -> bool:
        guest = self._roster.guests.get(claim[0])
        return guest is not None and all(volume in guest.domain.volumes for volume in claim[1])

    def _fetch(self, domain: Domain, disk: Disk, supplies: Supplies) -> None:
        subject = f"{domain.subject} disk {disk.target}"
        try:
            place = self._place(domain, disk)
            if disk.key is not None:
                supplies.keys[disk.target] = self._key(disk)
            if place is not None and place.remote is not None and place.remote.login is not None:
                supplies.logins[disk.target] = self._login_key(place.remote.login)
        except TierhostError as error:
            error.subject = f"{subject}: {error.subject}" if error.subject else subject
            raise
        if place is not None:
            supplies.places[disk.target] = place

    def _place(self, domain: Domain, disk: Disk) -> Place | None:
        if disk.kind == "volume" and disk.volume:
            volume = self._services.storage.resolve_volume(disk.pool, disk.volume, holder(domain.uuid))
            if volume["encryption"] and disk.key is None:
                hint = "add <encryption format='luks'> with its secret"
                raise DriverError(
                    f"volume {disk.volume} is encrypted, and no secret is named", code=Code.CONFIG_UNSUPPORTED, hint=hint
                )
            return self._place_of_volume(volume)
        if disk.remote is not None:
            return self._remote_place(disk.remote, disk.format)
        if not disk.path:
            return None
        if not Path(disk.path).exists():
            raise DriverError(f"{disk.path} does not exist", code=Code.SYSTEM_ERROR)
        return Place(disk.path, disk.format, disk.kind)

    def _place_of_volume(self, volume: dict[str, Any]) -> Place:
        connection = volume.get("connection", {"type": "file"})
        image_format = "qcow2" if volume["format"] == "qcow2" else "raw"
        if connection["type"] == "network":
            return self._remote_place(remote_of(connection), image_format)
        return Place(volume["path"], image_format, connection["type"])

    def _remote_place(self, remote: Remote, image_format: str) -> Place:
        configuration = self._roster.context.run_dir / "ceph.conf"
        with self._lock:
            if remote.protocol == "rbd" and not configuration.exists():
                write_file(configuration, CEPH_CONFIGURATION.encode())
        return Place("", image_format, "network", remote, str(configuration))

    def _login_key(self, login: Login) -> bytes:
        return key_for_qemu(login, self._services.secret.get_value(**query_of(login)))

    def _key(self, disk: Disk) -> bytes:
        assert disk.key is not None
        if disk.key.uuid:
            value: bytes = self._services.secret.get_value(uuid=disk.key.uuid)
        else:
            value = self._services.secret.get_value(usage_type="volume", usage_id=disk.key.usage)
        return value

    # Holding.

    def tell_storage(self, attempt: int = 0) -> None:
        """Have storage know all that running guests use: soon, and as often as it takes. Storage asks us nothing.

        Never a reason to touch a guest: it runs on its open disks, whatever storage thinks of its pools.
        """
        with self._lock:
            self._told += 1
            number = self._told
        self._roster.context.later(retry_s(attempt) if attempt else 0.0, lambda: self._tell(number, attempt))

    def _tell(self, number: int, attempt: int) -> None:
        with self._lock:
            if number != self._told:
                return
        held = self._held()
        try:
            self._services.storage.hold_volumes(held)
        except TierhostError:
            self.tell_storage(attempt + 1)
            return
        if self._held() != held:
            # A guest came or went while we spoke: what it resolved in between may have been taken back by our words.
            self.tell_storage()
            return
        with self._hearing:
            self._heard = number
            self._hearing.notify_all()

    def wait_heard(self) -> None:
        """Give storage a moment to hear what was told: whoever ends a guest may stop its pool with the next call.

        No longer than a moment: no call about guests may hang because storage does.
        """
        with self._hearing:
            number = self._told
            self._hearing.wait_for(lambda: self._heard >= number, MOMENT_S)

    def _held(self) -> dict[str, list[list[str]]]:
        found = {holder(guest.uuid): guest.domain.volumes for guest in self._roster.all_running()}
        with self._lock:
            fetching = list(self._fetching)
        for uuid, volumes in fetching:
            held = found.setdefault(holder(uuid), [])
            held += [volume for volume in volumes if volume not in held]
        return {name: volumes for name, volumes in found.items() if volumes}


def holder(uuid: str) -> str:
    """How storage knows a guest."""
    return f"guest {uuid}"
