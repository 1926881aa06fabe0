"""A peer that speaks HAL's protocol on a bus: NOT HAL, which no distribution has any more, but all of it that the driver asks.

`python -m tests.integration.nodedev_hal.hal_peer ADDRESS`; reads lines of JSON: ["add", udi, properties], ["remove", udi],
["change", udi, properties]; says "ready" when it has HAL's name, and the word again when a line is done.
"""

from __future__ import annotations

import contextlib
import json
import select
import sys
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message, MessageType, message_bus, new_error, new_method_return, new_signal
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection

HAL = "org.freedesktop.Hal"
ROOT = "/org/freedesktop/Hal/devices/"
DIRECTORY = DBusAddress("/org/freedesktop/Hal/Manager", HAL, f"{HAL}.Manager")

FIRST: dict[str, dict[str, Any]] = {
    f"{ROOT}computer": {"info.udi": f"{ROOT}computer", "system.hardware.vendor": "Maker & Son"},
    f"{ROOT}pci_8086_1237": {
        "info.parent": f"{ROOT}computer",
        "info.capabilities": ["pci"],
        "info.linux.driver": "agpgart-intel",
        "pci.vendor_id": 0x8086,
        "pci.product_id": 0x1237,
        "pci.vendor": "Intel",
        "pci.device_class": 6,
        "pci.device_subclass": 0,
        "pci.device_protocol": 0,
        "pci.linux.sysfs_path": "/sys/devices/pci0000:00/0000:00:00.0",
    },
    f"{ROOT}net_00_11_22_33_44_55": {
        "info.parent": f"{ROOT}pci_8086_1237",
        "info.capabilities": ["net", "net.80203"],
        "net.interface": "eth0",
        "net.address": "00:11:22:33:44:55",
    },
    f"{ROOT}volume_1": {"info.capabilities": ["volume", "block"]},
}


def variant(value: object) -> tuple[str, Any]:
    """Write a value with its type, as D-Bus wants it."""
    kinds = {bool: "b", int: "i", str: "s", list: "as", float: "d"}
    kind = kinds[type(value)]
    return ("t" if kind == "i" and isinstance(value, int) and value >= 1 << 31 else kind), value


class Peer:
    """Answers as HAL's manager and as each of its devices."""

    def __init__(self, connection: DBusConnection) -> None:
        self._connection = connection
        self._devices = dict(FIRST)

    def answer(self, message: Message) -> None:
        """Answer one call."""
        if message.header.message_type is not MessageType.method_call:
            return
        fields = message.header.fields
        path, member = fields[HeaderFields.path], fields[HeaderFields.member]
        if member == "GetAllDevices":
            reply = new_method_return(message, "as", (list(self._devices),))
        elif member == "GetAllProperties" and path in self._devices:
            properties = {key: variant(value) for key, value in self._devices[path].items()}
            reply = new_method_return(message, "a{sv}", (properties,))
        else:
            reply = new_error(message, f"{HAL}.NoSuchDevice", "s", (f"no {member} of {path}",))
        self._connection.send(reply)

    def obey(self, verb: str, udi: str, properties: dict[str, Any] | None = None) -> None:
        """Let a device come, change or go."""
        if verb == "remove":
            del self._devices[udi]
        else:
            self._devices[udi] = properties or {}
        if verb == "change":
            device = DBusAddress(udi, HAL, f"{HAL}.Device")
            self._connection.send(new_signal(device, "PropertyModified", "i", (1,)))
        else:
            self._connection.send(new_signal(DIRECTORY, "DeviceAdded" if verb == "add" else "DeviceRemoved", "s", (udi,)))


def main() -> None:
    """Serve until standard input ends."""
    connection = open_dbus_connection(sys.argv[1])
    Proxy(message_bus, connection).RequestName(HAL)
    peer = Peer(connection)
    say("ready")
    while True:
        ready, _, _ = select.select([connection.sock, sys.stdin], [], [])
        if connection.sock in ready:
            while (message := next_message(connection)) is not None:
                peer.answer(message)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            peer.obey(*json.loads(line))
            say("done")


def next_message(connection: DBusConnection) -> Message | None:
    try:
        return connection.receive(timeout=0)
    except TimeoutError:
        return None


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError):  # the bus has died: a peer ends with it
        main()
