"""A client of libvirtd that is there before libvirtd is: Debian's own binding, its imports done, its socket looked for.

usage: /usr/bin/python3 libvirt_client.py SOCKET. One JSON order [method, {argument: value}] per line on stdin, one answer
{"answer": value} or {"refused": {"code", "text", "gone"}} per line on stdout. It ends with its stdin. It is a program for the
system's Python, and so stands alone.
"""

from __future__ import annotations

import base64
import json
import re
import select
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import libvirt

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_AGAIN_S = 0.0005
PATIENCE_S = 60.0
CHUNK_BYTES = 65536

STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
GONE = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_INVALID_CONN})


class NoSuchCall(Exception):
    """Raised when a call is none of libvirt's, or none that we translate."""


class Client:
    """The orders it takes are its methods."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: Any = None

    def open(self) -> float:
        """Connect as soon as somebody listens; return when that was done."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(self._path)
                    break
                except OSError:
                    if time.monotonic() > deadline_s:
                        raise
                    # Until the next look, or until there is nobody any more who gives orders.
                    select.select([sys.stdin], [], [], LOOK_AGAIN_S)
        self._connection = libvirt.open(f"qemu+unix:///system?socket={self._path}")
        return time.monotonic()

    def close(self) -> None:
        """Forget the connection; libvirtd may be dead already."""
        try:
            self._connection.close()
        except libvirt.libvirtError:
            return

    def is_alive(self) -> bool:
        """Whether the connection may still be of use."""
        try:
            return self._connection is not None and bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def version(self) -> int:
        """Return libvirt's version, as it counts it."""
        return int(self._connection.getLibVersion())

    # Calls by the drills' names: "domain_create" is create() of the object that domainLookupByName finds.

    def call(self, method: str, args: list[Any]) -> Any:
        """Make one call. A flag is passed on as the number libvirt takes, {"bytes": base64} as bytes."""
        args = [base64.b64decode(each["bytes"]) if isinstance(each, dict) else each for each in args]
        if method in LISTS:
            listed, show = LISTS[method]
            return [show(each) for each in getattr(self._connection, listed)()]
        if method in DEFINES:
            define, show = DEFINES[method]
            return show(getattr(self._connection, define)(*args))
        kind = next((kind for kind in LOOKUPS if method.startswith(f"{kind}_")), "")
        if not kind:
            raise NoSuchCall(method)
        verb = method.removeprefix(kind + "_")
        found = getattr(self._connection, LOOKUPS[kind])(args[0])
        if (kind, verb) in SPECIAL:
            return SPECIAL[kind, verb](found, *args[1:])
        value = getattr(found, _camel(verb))(*(int(each) if isinstance(each, bool) else each for each in args[1:]))
        return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    def objects(self) -> dict[str, dict[str, Any]]:
        """Say everything libvirtd has: secrets by uuid, pools, guests and volumes by name."""
        pools = self._connection.listAllStoragePools()
        volumes = {}
        for pool in pools:
            if pool.isActive():
                for volume in pool.listAllVolumes():
                    volumes[f"{pool.name()}/{volume.name()}"] = show_volume(volume)
        return {
            "secrets": {secret.UUIDString(): show_secret(secret) for secret in self._connection.listAllSecrets()},
            "pools": {pool.name(): show_pool(pool) for pool in pools},
            "guests": {guest.name(): show_guest(guest) for guest in self._connection.listAllDomains()},
            "volumes": volumes,
        }

    # For those who measure.

    def define(self, secrets: list[tuple[str, str]], pools: list[str], guests: list[str]) -> None:
        """Define everything; start the pools and the guests."""
        for xml, value in secrets:
            self._connection.secretDefineXML(xml).setValue(value.encode())
        for xml in pools:
            self._connection.storagePoolDefineXML(xml).create()
        for xml in guests:
            self._connection.defineXML(xml).create()

    def listed(self, secrets: int, pools: int, guests: int) -> dict[str, float]:
        """From connecting on: when the first list came, and when everything was there and every guest's monitor answered."""
        self.open()
        running = self._until(lambda: self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING), 0)
        first_s = time.monotonic()
        running = self._until(lambda: self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING), guests)
        self._until(lambda: self._connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE), pools)
        self._until(self._connection.listAllSecrets, secrets)
        list_s = time.monotonic()
        for guest in running:
            # Needs the guest's job, which its re-attachment holds until it is done.
            guest.memoryStats()
        return {"first_s": first_s, "list_s": list_s, "all_s": time.monotonic()}

    def _until(self, ask: Callable[[], list[Any]], count: int) -> list[Any]:
        deadline_s = time.monotonic() + PATIENCE_S
        while len(found := ask()) < count:
            if time.monotonic() > deadline_s:
                message = f"{len(found)} of {count} came back"
                raise TimeoutError(message)
        return found

    def values(self, uuid: str, count: int) -> list[float]:
        """Look one secret's value up, again and again; return how long each time took."""
        secret = self._connection.secretLookupByUUIDString(uuid)
        times = []
        for _ in range(count):
            start_s = time.perf_counter()
            secret.value()
            times.append(time.perf_counter() - start_s)
        return times


def show_secret(secret: Any) -> dict[str, Any]:
    """Show one secret, without its value."""
    xml = secret.XMLDesc()
    flags = {name: f"{name}='yes'" in xml for name in ("ephemeral", "private")}
    return {"uuid": secret.UUIDString(), "usage_id": secret.usageID(), **flags}


def show_pool(pool: Any) -> dict[str, Any]:
    """Show one pool."""
    state = {"state": "active" if pool.isActive() else "inactive", "persistent": bool(pool.isPersistent())}
    return {"name": pool.name(), "uuid": pool.UUIDString(), **state, "autostart": bool(pool.autostart())}


def show_guest(guest: Any) -> dict[str, Any]:
    """Show one guest; its id is -1 when it does not run."""
    state = {"state": STATES[guest.state()[0]], "id": guest.ID(), "persistent": bool(guest.isPersistent())}
    return {"name": guest.name(), "uuid": guest.UUIDString(), **state, "autostart": bool(guest.autostart())}


def show_volume(volume: Any) -> dict[str, Any]:
    """Show one volume."""
    capacity, allocation = volume.info()[1:]
    return {"name": volume.name(), "path": volume.path(), "capacity": capacity, "allocation": allocation}


def upload(pool: Any, name: str, data: bytes, offset: int = 0) -> int:
    """Write into a volume; return how much."""
    stream = pool.connect().newStream()
    pool.storageVolLookupByName(name).upload(stream, offset, len(data))
    sent = 0
    while sent < len(data):
        sent += stream.send(data[sent : sent + CHUNK_BYTES])
    stream.finish()
    return len(data)


LOOKUPS = {
    "storage_pool": "storagePoolLookupByName",
    "storage_vol": "storagePoolLookupByName",
    "secret": "secretLookupByUUIDString",
    "domain": "lookupByName",
}
LISTS: dict[str, tuple[str, Any]] = {
    "secret_list": ("listAllSecrets", show_secret),
    "storage_pool_list": ("listAllStoragePools", show_pool),
    "domain_list": ("listAllDomains", show_guest),
}
DEFINES: dict[str, tuple[str, Any]] = {
    "secret_define_xml": ("secretDefineXML", show_secret),
    "storage_pool_define_xml": ("storagePoolDefineXML", show_pool),
    "storage_pool_create_xml": ("storagePoolCreateXML", show_pool),
    "domain_define_xml": ("defineXML", show_guest),
    "domain_create_xml": ("createXML", show_guest),
    "storage_pool_lookup_by_name": ("storagePoolLookupByName", show_pool),
    "domain_lookup_by_name": ("lookupByName", show_guest),
    "secret_lookup_by_uuid": ("secretLookupByUUIDString", show_secret),
}
SPECIAL: dict[tuple[str, str], Any] = {
    ("secret", "get_value"): lambda secret, flags=0: {"bytes": base64.b64encode(secret.value(flags)).decode()},
    ("domain", "get_state"): lambda guest: {"state": STATES[guest.state()[0]]},
    ("domain", "get_autostart"): lambda guest: bool(guest.autostart()),
    ("domain", "create"): lambda guest, flags=0: guest.createWithFlags(flags) and None,
    ("storage_pool", "get_autostart"): lambda pool: bool(pool.autostart()),
    ("storage_vol", "list"): lambda pool: [show_volume(volume) for volume in pool.listAllVolumes()],
    ("storage_vol", "create_xml"): lambda pool, xml, flags=0: show_volume(pool.createXML(xml, flags)),
    ("storage_vol", "delete"): lambda pool, volume, flags=0: pool.storageVolLookupByName(volume).delete(flags) and None,
    ("storage_vol", "upload"): upload,
    ("storage_vol", "get_info"): lambda pool, volume: show_volume(pool.storageVolLookupByName(volume)),
}


def _camel(verb: str) -> str:
    """Translate "set_autostart" into "setAutostart", "get_xml_desc" into "XMLDesc"."""
    named = re.sub(r"_(\w)", lambda found: found[1].upper(), verb)
    return named.replace("getXmlDesc", "XMLDesc")


def main() -> None:
    """Carry out orders until stdin ends."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    client = Client(sys.argv[1])
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            said = {"answer": getattr(client, method)(**arguments)}
        except libvirt.libvirtError as error:
            gone = error.get_error_code() in GONE or not client.is_alive()
            said = {"refused": {"code": error.get_error_code(), "text": str(error), "gone": gone}}
        except (NoSuchCall, AttributeError, TypeError) as error:
            said = {"refused": {"code": libvirt.VIR_ERR_NO_SUPPORT, "text": f"no such call: {error}", "gone": False}}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
