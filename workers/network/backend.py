"""A whole network in the world (bridge, rules, dnsmasq): looked at, made as far as it is missing, taken away."""

from __future__ import annotations

import time
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network import firewall, links
from tierhost.workers.network.definition import IPV4, ISOLATED
from tierhost.workers.network.dnsmasq import Dnsmasqs
from tierhost.workers.network.state import Seen
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tierhost.workers.network.definition import NetworkDefinition
    from tierhost.workers.network.links import Link
    from tierhost.workers.runtime.detached import Detached

CAP_NET_ADMIN: Final = 12
LOOK_LIMIT_S: Final = 2.0


class NameInUse(DriverError):
    """Raised when a network's bridge has the name, or its guests the addresses, of something that we did not make."""

    code = Code.OPERATION_FAILED


def why_not() -> str:
    """Say what this machine lacks for any network at all, as the next step of a person; nothing if it lacks nothing."""
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123  # not a path of ours
        capabilities = next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
    if not capabilities >> CAP_NET_ADMIN & 1:
        return "networks need root (CAP_NET_ADMIN): start tierhost as root, or do without networks"
    try:
        if links.look("lo", time.monotonic() + LOOK_LIMIT_S) is None:
            return "the kernel shows no network devices: start tierhost where netlink is allowed"
    except DriverError as error:
        return f"the network cannot be looked at: {error.text}; {error.hint or 'start tierhost where netlink is allowed'}"
    return ""


class Backend:
    """The networks of one run directory. Thread-safe, for it keeps nothing; whoever calls has the network's lock."""

    def __init__(self, run_dir: Path, state_dir: Path, dnsmasq_user: str) -> None:
        self.dnsmasqs = Dnsmasqs(run_dir, state_dir, dnsmasq_user)
        self._place = blake2b(str(run_dir.resolve()).encode(), digest_size=6).hexdigest()

    def mark(self, uuid: str) -> str:
        """What is written on a device of ours: of which network or port of which tierhost it is."""
        return f"tierhost {self._place} {uuid}"

    def is_ours(self, link: Link, definition: NetworkDefinition, facts: Mapping[str, Any], *, making: bool = False) -> bool:
        """Whether a device is the bridge we made: by its mark, by its number, or, if we died over making it, by its MAC."""
        if not definition.makes_bridge or link.kind != "bridge":
            return False
        if link.alias:
            return link.alias == self.mark(definition.uuid)
        return link.mac == definition.mac and (making or link.index == facts.get("index"))

    def seen(self, definition: NetworkDefinition, facts: Mapping[str, Any], deadline_s: float, *, making: bool = False) -> Seen:
        """Look at a network's bridge."""
        if not definition.makes_bridge:
            return Seen.UNSEEN
        link = links.look(definition.bridge.name, deadline_s)
        if link is None:
            return Seen.ABSENT
        return Seen.OURS if self.is_ours(link, definition, facts, making=making) else Seen.FOREIGN

    def check_free(self, definition: NetworkDefinition, deadline_s: float) -> None:
        """Raise NameInUse if what a network needs is somebody else's."""
        name = definition.bridge.name
        if not definition.makes_bridge:
            return
        if self.seen(definition, {}, deadline_s) is Seen.FOREIGN:
            raise self._taken(definition)
        networks = [ip.interface.network for ip in definition.ips if ip.version == IPV4]
        device = links.conflicting_device(networks, name)  # type: ignore[arg-type]  # IPv4 alone
        if device:
            raise NameInUse(
                f"its addresses are in use already by {device}",
                subject=definition.subject,
                hint="choose another <ip address='...'/>",
            )

    @staticmethod
    def _taken(definition: NetworkDefinition) -> NameInUse:
        name = definition.bridge.name
        return NameInUse(
            f"there is a device {name} already, and this network did not make it: it is left alone",
            subject=definition.subject,
            hint=f"name another bridge, or remove that device (`ip link show {name}`)",
        )

    def build(
        self,
        definition: NetworkDefinition,
        facts: Mapping[str, Any],
        deadline_s: float,
        *,
        making: bool = False,
    ) -> tuple[dict[str, Any], Detached | None]:
        """Make what is missing of a network, and leave alone what is as it should be; returns its facts and its dnsmasq.

        The rules come before the bridge: guests are never open in between.
        """
        link = links.look(definition.bridge.name, deadline_s)
        if not definition.makes_bridge:
            return self._existing(definition, link), None
        if link is not None and not self.is_ours(link, definition, facts, making=making):
            raise self._taken(definition)
        if definition.is_filtered:
            firewall.put_table(definition, deadline_s)
        if link is None:
            links.make_bridge(definition, self.mark(definition.uuid), deadline_s)
        else:
            links.dress_bridge(definition, deadline_s)
        if definition.forward.mode != ISOLATED:
            links.forward_packets(definition)
        made: dict[str, Any] = {"index": links.index_of(definition.bridge.name)}
        process = self._served(definition, facts, deadline_s, anew=link is None)
        if process is not None:
            made |= {"pid": process.pid, "start_time": process.start_time}
        return made, process

    @staticmethod
    def _existing(definition: NetworkDefinition, link: Link | None) -> dict[str, Any]:
        name = definition.bridge.name
        if link is None or link.kind != "bridge":
            what = "does not exist" if link is None else f"is no bridge, but of kind '{link.kind or 'physical'}'"
            hint = f"make it first: ip link add {name} type bridge"
            raise DriverError(f"the device {name} {what}", subject=definition.subject, hint=hint)
        return {"index": link.index}

    def _served(
        self, definition: NetworkDefinition, facts: Mapping[str, Any], deadline_s: float, *, anew: bool
    ) -> Detached | None:
        """Have a dnsmasq run if the network needs one. On a new bridge, or with a new configuration, the old one is none."""
        uuid = definition.uuid
        process = self.dnsmasqs.find(uuid, facts) if facts.get("pid") or definition.is_served else None
        if process is not None and (anew or not definition.is_served or not self.dnsmasqs.reads(definition)):
            self.dnsmasqs.stop(uuid, process)
            process = None
        if process is None and definition.is_served:
            process = self.dnsmasqs.start(definition, deadline_s)
        return process

    def take_down(
        self, definition: NetworkDefinition, facts: Mapping[str, Any], deadline_s: float, *, making: bool = False
    ) -> None:
        """Take away what is there of a network, whatever that is. What we did not make stays. Raises DriverError."""
        if not definition.makes_bridge:
            return
        if definition.is_served or facts.get("pid"):
            self.dnsmasqs.stop(definition.uuid, self.dnsmasqs.find(definition.uuid, facts))
        link = links.look(definition.bridge.name, deadline_s)
        if link is not None and self.is_ours(link, definition, facts, making=making):
            links.remove(link, deadline_s, definition.subject)
        if definition.is_filtered:
            firewall.drop_table(definition.uuid, deadline_s, definition.subject)
