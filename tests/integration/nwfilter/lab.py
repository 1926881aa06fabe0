"""A bridge with guests whose frames are made by hand: what was sent with a wrong sender, and whether it arrived."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.integration.network.places import Place, run
from tests.waiting import until
from tierhost.workers.nwfilter.driver import NwfilterDriver
from tierhost.workers.runtime.testing import FakeHost, LifeInTest, live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVERY_PROTOCOL: Final = 3
PATIENCE_S: Final = 2.0
OWNER: Final = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
BROADCAST: Final = "ff:ff:ff:ff:ff:ff"
NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # what a guest without an address sends from
ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86DD, 0x8100
UDP, TCP, ICMP = 17, 6, 1


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source: str, target: str, kind: int, body: bytes) -> bytes:
    return mac_bytes(target) + mac_bytes(source) + struct.pack("!H", kind) + body


def ip_frame(source: str, target: str, ip: str, to_ip: str, body: bytes, protocol: int = UDP) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0, socket.inet_aton(ip), socket.inet_aton(to_ip)
    )
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    check = ~(total + (total >> 16)) & 0xFFFF
    return ethernet(source, target, IPV4, head[:10] + struct.pack("!H", check) + head[12:] + body)


def ip6_frame(source: str, target: str, ip: str, to_ip: str, body: bytes) -> bytes:
    ends = b"".join(socket.inet_pton(socket.AF_INET6, one) for one in (ip, to_ip))
    return ethernet(source, target, IPV6, struct.pack("!IHBB", 6 << 28, len(body), UDP, 64) + ends + body)


def udp(body: bytes, source: int = 1000, target: int = 2000) -> bytes:
    return struct.pack("!HHHH", source, target, 8 + len(body), 0) + body


def tcp(body: bytes, source: int, target: int, flags: int = 2) -> bytes:
    return struct.pack("!HHIIBBHHH", source, target, 1, 0, 0x50, flags, 1000, 0, 0) + body


def arp_frame(source: str, target: str, said_mac: str, said_ip: str, body: bytes, kind: int = ARP, opcode: int = 2) -> bytes:
    head = struct.pack("!HHBBH", 1, IPV4, 6, 4, opcode) + mac_bytes(said_mac) + socket.inet_aton(said_ip)
    return ethernet(source, target, kind, head + mac_bytes(target) + socket.inet_aton("10.88.0.2") + body)


class Station:
    """One end of a cable: sends frames as they are given, and hears all that come."""

    def __init__(self, number: int) -> None:
        self.place = Place()
        self.device = f"thp{number}"
        self.mac = f"52:54:00:00:88:{number:02x}"
        self.ip = f"10.88.0.{number}"
        run(
            "ip",
            "link",
            "add",
            self.device,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "address",
            self.mac,
            "netns",
            self.place.path,
        )
        run("ip", "link", "set", self.device, "master", "thbr", "up")
        self.place.run("ip", "link", "set", "eth0", "arp", "off", "up")
        with self.place.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
        self.socket.bind(("eth0", 0))
        self.socket.setblocking(False)
        self._heard: set[bytes] = set()

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)

    def heard(self, until: bytes) -> set[bytes]:
        """The last 8 bytes of all frames, up to the one that ends with `until`. Frames on a cable keep their order."""
        deadline_s = time.monotonic() + PATIENCE_S
        while until not in self._heard:
            left_ms = (deadline_s - time.monotonic()) * 1000
            assert left_ms > 0, "a frame that must pass did not arrive"
            poller = select.poll()
            poller.register(self.socket, select.POLLIN)
            poller.poll(left_ms)
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._heard.add(self.socket.recv(4096)[-8:])
        return self._heard

    def close(self) -> None:
        self.socket.close()
        self.place.close()


@dataclass
class Lab:
    """A bridge, two stations on it, and the folders of a driver. The guest is the first station."""

    folder: Path
    place: Place
    host: FakeHost = field(default_factory=FakeHost)
    stations: list[Station] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        run("ip", "link", "add", "thbr", "type", "bridge", "forward_delay", "0", "stp_state", "0", "mcast_snooping", "0")
        run("ip", "link", "set", "thbr", "up")
        self.stations += [Station(1), Station(2)]

    @property
    def guest(self) -> Station:
        return self.stations[0]

    @property
    def other(self) -> Station:
        return self.stations[1]

    @contextlib.contextmanager
    def life(self, **surroundings: Any) -> Iterator[LifeInTest]:
        """Live once; at the end it is gone without a word, as in a crash: all but its vigil, which a crash would end."""
        self.host = FakeHost()
        with live(NwfilterDriver, self.folder, host=self.host, **surroundings) as life:
            try:
                yield life
            finally:
                life.driver.state_cleanup()

    def tag(self) -> bytes:
        self._count += 1
        return struct.pack("!Q", 0x7468000000000000 + self._count)

    def passed(self, frames: dict[str, tuple[bytes, bytes]], *, inward: bool = False) -> set[str]:
        """Send frames from the guest (or to it); return the names of those that arrived. The last word always may pass."""
        sender, hearer = (self.other, self.guest) if inward else (self.guest, self.other)
        last = self.tag()
        # a third station's word, behind all others: whatever is not there before it never comes
        for frame, _ in frames.values():
            sender.send(frame)
        sentinel = self.sentinel(last, inward=inward)
        sender.send(sentinel)
        heard = hearer.heard(last)
        return {name for name, (_, tag) in frames.items() if tag in heard}

    def sentinel(self, tag: bytes, *, inward: bool) -> bytes:
        """A frame that every filter of these tests lets through."""
        guest, other = self.guest, self.other
        if inward:
            return ip_frame(other.mac, guest.mac, other.ip, guest.ip, udp(tag))
        return ip_frame(guest.mac, other.mac, guest.ip, other.ip, udp(tag))

    def frames(self) -> dict[str, tuple[bytes, bytes]]:
        """What an honest guest sends, and what others would."""
        guest, other = self.guest, self.other
        forged = "52:54:00:00:88:77"
        makers: dict[str, Callable[[bytes], bytes]] = {
            "ip": lambda tag: ip_frame(guest.mac, other.mac, guest.ip, other.ip, udp(tag)),
            "arp": lambda tag: arp_frame(guest.mac, other.mac, guest.mac, guest.ip, tag),
            "dhcp": lambda tag: ip_frame(guest.mac, BROADCAST, NO_ADDRESS, "255.255.255.255", udp(tag, 68, 67)),
            "forged mac": lambda tag: ip_frame(forged, other.mac, guest.ip, other.ip, udp(tag)),
            "forged ip": lambda tag: ip_frame(guest.mac, other.mac, "10.88.0.77", other.ip, udp(tag)),
            "forged arp mac": lambda tag: arp_frame(guest.mac, other.mac, forged, guest.ip, tag),
            "forged arp ip": lambda tag: arp_frame(guest.mac, other.mac, guest.mac, "10.88.0.77", tag),
            "ipv6": lambda tag: ip6_frame(guest.mac, other.mac, "fe80::1", "fe80::2", udp(tag)),
            "in a vlan": lambda tag: ethernet(guest.mac, other.mac, VLAN, struct.pack("!HH", 5, IPV4) + bytes(40) + tag),
        }
        tags = {name: self.tag() for name in makers}
        return {name: (make(tags[name]), tags[name]) for name, make in makers.items()}

    def close(self) -> None:
        for one in self.stations:
            one.close()


HONEST: Final = {"ip", "arp", "dhcp"}


class Flood:
    """Forged and honest frames without a pause, in a thread: which arrived is counted afterwards."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.honest: list[bytes] = []
        self.forged: list[bytes] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        until(lambda: len(self.honest) > 20, "frames are under way")

    def _run(self) -> None:
        guest, other = self.lab.guest, self.lab.other
        while not self._end.is_set():
            tag, forged = self.lab.tag(), self.lab.tag()
            guest.send(ip_frame("52:54:00:00:88:77", other.mac, guest.ip, other.ip, udp(forged)))
            guest.send(ip_frame(guest.mac, other.mac, guest.ip, other.ip, udp(tag)))
            self.honest.append(tag)
            self.forged.append(forged)
            # the hearer's buffer holds some hundreds of frames: what it drops would look lost
            assert tag in self.lab.other.heard(tag)

    def end(self) -> tuple[int, int]:
        """How many honest ones are lost, and how many forged ones leaked."""
        self._end.set()
        self._thread.join()
        heard = self.lab.other.heard(self.honest[-1])
        return len(set(self.honest) - heard), len(set(self.forged) & heard)


def bind(life: LifeInTest, lab: Lab, name: str = "clean-traffic", **parameters: Any) -> Any:
    given = parameters or {"IP": [lab.guest.ip]}
    return life.call("bind", lab.guest.device, lab.guest.mac, name, given, OWNER, "web", by="qemu")


def ruleset() -> str:
    """Every rule there is, without the numbers that the kernel gives."""
    return run("nft", "list", "ruleset").stdout
